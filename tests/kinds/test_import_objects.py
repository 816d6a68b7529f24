"""Objects of a bucket become a dataset: what is refused, and a run against a small double of S3.

`tests/heavy/datasets` does the same against a real S3 server.
"""

import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import msgspec
import pytest

from outlast.kinds import import_objects
from outlast.kinds.import_objects import ImportPlan, ImportSpec
from outlast.operations.errors import Fatal, InvalidSpec, OutboundRefused, Unavailable
from outlast.operations.kind import Resource
from outlast.resources.configured import INSTALLATION, InstallationDocument
from outlast.resources.datasets.declaration import DeclaredColumn
from outlast.resources.datasets.model import DATASET, OWNER, DatasetDocument

URL = "s3://bucket/in"
OBJECTS = {
    "in/b.csv": b"n,text\n2,two\n",
    "in/a.jsonl": b'{"n":1.5}\n',
    "in/empty": b"",
    "in-another/c.jsonl": b'{"n":9}\n',
}


class OneCatalog:
    """The resource that the settings make, and at most one dataset."""

    def __init__(self, allow=(), dataset=None):
        self._installation = InstallationDocument(outbound_allow=allow, allow_unsandboxed=True)
        self._dataset = dataset

    operation_id = None

    async def get(self, type, id_or_name):
        if type == INSTALLATION:
            document = msgspec.json.encode(self._installation)
            return Resource(
                tenant="t",
                type=type,
                id=type,
                name=type,
                document=document,
                revision=1,
                created_at=0,
                updated_at=0,
            )
        return self._dataset if type == DATASET else None


async def prepared(allow=(), dataset=None, **spec):
    spec = msgspec.convert({"url": URL} | spec, ImportSpec)
    return await import_objects.prepare(spec, OneCatalog(allow, dataset))


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"url": "https://bucket/x"}, "url"),
        ({"url": "s3://key:secret@bucket/x"}, "url"),
        ({"url": "s3://"}, "url"),
        ({"access_key": "sealed:A"}, "secret_key"),
        ({"secret_key": "sealed:A"}, "access_key"),
        ({"access_key": "backend:cloud", "secret_key": "sealed:A"}, "access_key"),
        ({"access_key": "AKIA", "secret_key": "sealed:A"}, "access_key"),
        ({"columns": []}, "columns"),
        ({"dst": {"dataset": "no id"}}, "dataset"),
    ],
)
async def test_a_spec_that_cannot_be_is_refused(spec, field):
    with pytest.raises(InvalidSpec) as caught:
        await prepared(**spec)
    assert list(caught.value.field_errors) == [field]


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9000", "http://[::1]", "ftp://a.example"])
async def test_an_endpoint_that_is_not_allowed_is_refused_at_once(endpoint):
    with pytest.raises(OutboundRefused) as caught:
        await prepared(endpoint=endpoint)
    assert list(caught.value.field_errors) == ["endpoint"]


async def test_secrets_are_references_that_the_plan_does_not_have():
    keys = {"access_key": "sealed:A", "secret_key": "sealed:B"}
    made = await prepared(**keys)
    assert made.secrets == keys
    assert b"sealed" not in msgspec.json.encode(made.plan)


async def test_a_dataset_that_failed_to_be_filled_is_filled_by_a_retry():
    document = DatasetDocument(created_by="ann", title="t")
    dataset = Resource(
        tenant="t",
        type=DATASET,
        id="mine",
        name="mine",
        document=msgspec.json.encode(document),
        revision=1,
        created_at=0,
        updated_at=0,
        fields={OWNER: "06EV00000000000000R0"},
    )
    [write] = (await prepared(dataset=dataset, dst={"dataset": "mine"})).writes
    assert (write.is_owned, write.expected_revision) == (True, 1)
    assert (await prepared(dst={"dataset": "mine"})).writes == ()


@contextmanager
def small_s3():
    """A double that lists and gives the objects of one bucket, and refuses the bucket `closed`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            bucket, _, key = url.path.lstrip("/").partition("/")
            if bucket == "closed":
                self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            elif bucket != "bucket":
                self._answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
            elif "list-type" in url.query:
                prefix = parse_qs(url.query).get("prefix", [""])[0]
                self._answer(200, _listing(prefix))
            elif key in OBJECTS:
                self._answer(200, OBJECTS[key])
            else:
                self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

        def _answer(self, status, content):
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.send_header("last-modified", "Sun, 22 Nov 2026 00:00:00 GMT")
            self.send_header("etag", '"0"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def do_HEAD(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _listing(prefix):
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size><ETag>0</ETag>"
        "<LastModified>2026-11-22T00:00:00.000Z</LastModified></Contents>"
        for key, content in sorted(OBJECTS.items())
        if key.startswith(prefix)
    )
    return (
        '<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><IsTruncated>false'
        f"</IsTruncated>{contents}</ListBucketResult>"
    ).encode()


class Attempt:
    """A run of the handler in this process, with a workdir."""

    def __init__(self, workdir, port):
        self.workdir, self.port = workdir, port
        self.secrets = {"access_key": "a", "secret_key": "b"}
        self.operation_id = "06EV00000000000000R0"

    def report(self, *_, **__):
        pass

    async def run(self, url=URL, allow=None, **plan):
        allow = [f"127.0.0.1:{self.port}"] if allow is None else allow
        plan = {
            "url": url,
            "endpoint": f"http://127.0.0.1:{self.port}",
            "region": None,
            "format": "auto",
            "columns": None,
            "installation": InstallationDocument(outbound_allow=allow, allow_unsandboxed=True),
        } | plan
        return await import_objects.run(ImportPlan(**plan), self)


@pytest.fixture
def attempt(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    tmp_path.chmod(0o711)
    with small_s3() as port:
        yield Attempt(tmp_path, port)


async def test_the_objects_below_a_prefix_are_one_table(attempt):
    finish = await attempt.run()
    [version] = finish.writes
    assert (finish.result.objects, finish.result.rows) == (2, 2)
    assert {column.name: column.type for column in finish.result.columns} == {
        "n": "double",
        "text": "string",
    }
    assert (version.is_temporary, version.origin) == (True, "s3")
    assert all((attempt.workdir / name).is_file() for name in version.files)


async def test_one_object_is_held_against_the_declared_columns(attempt):
    columns = (DeclaredColumn(name="n", type="double"),)
    finish = await attempt.run(url="s3://bucket/in/a.jsonl", columns=columns, dataset="mine")
    [version] = finish.writes
    assert (version.dataset, version.required) == ("mine", ("n",))


async def test_an_object_that_does_not_fit_is_named(attempt):
    columns = (DeclaredColumn(name="n", type="double"),)
    with pytest.raises(Fatal, match=r"in/b\.csv: column 'text' is not declared") as caught:
        await attempt.run(columns=columns)
    assert caught.value.code == "invalid_file"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("s3://closed/in", "access_refused"),
        ("s3://missing/in", "objects_missing"),
        ("s3://bucket/nothing", "objects_missing"),
    ],
)
async def test_what_cannot_be_fetched_fails_for_good(attempt, url, code):
    with pytest.raises(Fatal) as caught:
        await attempt.run(url=url)
    assert caught.value.code == code


async def test_the_gate_is_asked_again_when_the_attempt_runs(attempt):
    with pytest.raises(Fatal) as caught:
        await attempt.run(allow=[])
    assert caught.value.code == "outbound_refused"


async def test_a_server_that_does_not_answer_is_tried_again(attempt):
    with pytest.raises(Unavailable):
        await attempt.run(endpoint="http://127.0.0.1:9", allow=["127.0.0.1:9"])
