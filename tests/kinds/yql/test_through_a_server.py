"""YQL as a client of Nebius sends it: over HTTP, through a real server, worker and locked child."""

import time

import pytest
from live_server import LiveServer

SCHEMA = [
    {"name": "id", "type": {"name": "integer"}},
    {"name": "name", "type": {"name": "string"}},
    {"name": "team", "type": {"name": "string"}},
    {"name": "score", "type": {"name": "option", "item": {"name": "integer"}}},
    {"name": "condition", "type": {"name": "option", "item": {"name": "boolean"}}},
]
ROWS = [
    {"id": 1, "name": "ann", "team": "r", "score": 7, "condition": True},
    {"id": 2, "name": "bob", "team": "b", "score": 1, "condition": False},
    {"id": 3, "name": "cy", "team": "r", "score": 28, "condition": None},
    {"id": 4, "name": "dee", "team": "r", "score": None, "condition": True},
]


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    server = LiveServer(tmp_path_factory.mktemp("yql"), "[recovery]\ndrain_seconds = 0.2\n")
    try:
        server.start()
        with server.http("/nebius") as client:
            yield client
    finally:
        server.stop()


@pytest.fixture(scope="module")
def source(http):
    body = {"name": "people", "schema": SCHEMA, "folder": "/", "rows": ROWS}
    answer = http.post("/v1/datasets", json=body)
    assert answer.status_code == 200, answer.text
    dataset = answer.json()
    return {"id": dataset["id"], "version": dataset["current_version"]}


@pytest.fixture(scope="module")
def ask(http, source):
    """The rows of a query's target, once its operation has succeeded."""

    def ask(query):
        body = {"type": "yql", "params": {"query": query}, "src": [source]}
        answer = http.post("/v1/operations", json=body)
        assert answer.status_code == 200, answer.text
        operation = answer.json()
        end = time.monotonic() + 30
        while operation["status"] in {"queued", "running"} and time.monotonic() < end:
            time.sleep(0.05)
            operation = http.get(f"/v1/operations/{operation['id']}").json()
        errors = http.get(f"/v1/operations/{operation['id']}/errors").json()["data"]
        assert operation["status"] == "succeeded", errors
        return http.get(f"/v1/datasets/{operation['dst'][0]['id']}/content").json()["rows"]

    return ask


def test_the_documented_sample_runs_as_it_is_written(ask):
    assert ask("SELECT * FROM {src_0} WHERE condition") == [ROWS[0], ROWS[3]]


def test_what_a_query_means_does_not_depend_on_the_way_to_it(ask):
    assert ask(
        "$best = (SELECT MAX(score) FROM {src_0}); SELECT team, COUNT(*) AS n, SUM(score) AS s,"
        " COUNT_IF(score = $best) AS won, 7 / 2 AS half, LENGTH('h\u00e9') AS bytes FROM {src_0}"
        " GROUP BY team ORDER BY team"
    ) == [
        {"team": "b", "n": 1, "s": 1, "won": 0, "half": 3, "bytes": 3},
        {"team": "r", "n": 3, "s": 35, "won": 1, "half": 3, "bytes": 3},
    ]


def test_a_refusal_names_the_construct_its_place_and_the_field(http, source):
    query = "SELECT id,\n  MEDIAN(score) FROM {src_0}"
    body = {"type": "yql", "params": {"query": query}, "src": [source]}
    answer = http.post("/v1/operations", json=body)
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert problem["loc"] == ["body", "params", "query"]
    assert "function MEDIAN" in problem["msg"]
    assert "line 2, column 3" in problem["msg"]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("SELECT LENGTH(id) AS n FROM {src_0}", "YQL subset: length takes a string"),
        ("SELECT Unwrap(score) AS n FROM {src_0}", "YQL subset: Unwrap met NULL"),
    ],
)
def test_what_fails_at_run_time_is_told_in_our_words(http, source, query, wanted):
    body = {"type": "yql", "params": {"query": query}, "src": [source]}
    operation = http.post("/v1/operations", json=body).json()
    path = f"/v1/operations/{operation['id']}"
    end = time.monotonic() + 30
    while operation["status"] in {"queued", "running"} and time.monotonic() < end:
        time.sleep(0.05)
        operation = http.get(path).json()
    assert operation["status"] == "failed"
    assert http.get(f"{path}/errors").json()["data"] == [wanted]
