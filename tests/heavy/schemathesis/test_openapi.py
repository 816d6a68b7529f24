"""Our generated OpenAPI documents, held by schemathesis against a live server.

No answer may be a server error, and each is as the document says: status, media type, headers
and body. A run of its own takes the tokens, because it would revoke the one that it sends.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
EXAMPLES_MAX = 20
OWN_TOKEN = "/v1/tokens/"
SHORT_WAITS = "[limits]\nwait_seconds = 0.2\n[recovery]\ndrain_seconds = 1\n"
MODULES = Path(__file__).parents[2] / "support" / "terraform_provider" / "modules"
BOUND = f"""
[infrastructure]
program = "/bin/true"
[modules.network]
path = "{MODULES / "network"}"
word = "network"
[modules.cluster]
path = "{MODULES / "cluster"}"
word = "cluster"
[modules.stack]
path = "{MODULES / "network"}"
"""
"""A module for each word: where there is none, a 501 is right, and would be found fault with."""


@pytest.fixture(scope="module")
def server(serve):
    """A server with something to find: each list has an entry."""
    made = serve(SHORT_WAITS + BOUND)
    with made.http("/gooddata/api/v1/ailake") as http:
        body = {"name": "sales", "storageIds": []}
        http.post("/database/instances", json=body).raise_for_status()
    with made.http() as http:
        http.post("/v1/datasets", json={"name": "numbers"}).raise_for_status()
        rows = b"".join(b'{"n": %d}\n' % n for n in range(10))
        upload = http.post(
            "/v1/datasets/numbers/versions",
            content=rows,
            headers={"Content-Type": "application/x-ndjson"},
        )
        upload.raise_for_status()
        spec = {"query": "SELECT n FROM {src_0}", "src": [{"dataset": "numbers"}]}
        http.post("/v1/operations", json={"kind": "sql_query", "spec": spec}).raise_for_status()
        nightly = {"name": "nightly", "kind": "sql_query", "spec": spec, "cron": "0 3 * * *"}
        http.post("/v1/schedules", json=nightly).raise_for_status()
    with made.http("/nebius") as http:
        files = {"file": ("rows.jsonl", rows, "application/jsonl")}
        http.post("/v1/files", files=files, data={"purpose": "batch"}).raise_for_status()
        body = {"type": "yql", "params": {"query": "SELECT n FROM {src_0}"}}
        body["src"] = [{"id": "numbers", "version": upload.json()["version"]}]
        http.post("/v1/operations", json=body).raise_for_status()
    return made


CONFIGURATION = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "501"]
"""
"""A 501 says what this server has not. That its route tells of it is another check."""


def hold(server, path, folder, *options):
    """Run schemathesis on a document; a finding fails the test with what it says."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    arguments = [Path(sys.executable).parent / "st", "run", server.url + path]
    arguments += ["--header", f"Authorization: Bearer {server.token}"]
    arguments += ["--phases", "examples,coverage,fuzzing", "--checks", ",".join(CHECKS)]
    arguments += ["--max-examples", str(EXAMPLES_MAX), "--seed", "1", "--continue-on-failure"]
    arguments += ["--request-timeout", "20", "--suppress-health-check", "all", *options]
    run = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    said = run.stdout.replace(server.token, "TOKEN")
    assert run.returncode == 0, said[-20_000:] + run.stderr[-2000:]
    found = re.search(r"(\d+) generated, (\d+) passed", said)
    assert found, said
    return int(found[2])


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "path",
    [
        "/openapi.json",
        "/chainloop/openapi.json",
        "/datarobot/openapi.json",
        "/gooddata/openapi.json",
        "/lakesail/openapi.json",
        "/nebius/openapi.json",
    ],
)
def test_every_answer_is_as_the_document_says(server, path, tmp_path):
    passed = hold(server, path, tmp_path, "--exclude-path-regex", OWN_TOKEN)
    assert passed > 100
    # Nothing of what was sent may have cost the server its token, its data or its life.
    with server.http() as http:
        assert http.get("/readyz").status_code == 200
        assert json.loads(http.get("/v1/operations").content)["operations"]


@pytest.mark.timeout(200)
def test_the_routes_of_single_tokens_too(serve, tmp_path):
    own = serve(SHORT_WAITS)
    assert hold(own, "/openapi.json", tmp_path, "--include-path-regex", OWN_TOKEN) > 10
