import logging

import httpx
import pytest
from serving import problem_of

from outlast.engine import Engine
from outlast.http.errors import STATUS, TITLES
from outlast.operations.errors import LeaseLost, OutlastError, StoreFull, TooManyPending


async def test_the_callers_request_id_is_echoed(client):
    answer = await client.get("/v1/operations", headers={"X-Request-Id": "a.B-1_~"})
    assert answer.headers["x-request-id"] == "a.B-1_~"


@pytest.mark.parametrize("value", ["", "a b", "x" * 129, "é", "a\tb", "a, b"])
async def test_another_request_id_is_made(client, value):
    headers = {"X-Request-Id": value.encode()}
    made = {(await client.get("/nothing", headers=headers)).headers["x-request-id"] for _ in "12"}
    assert len(made) == 2
    assert value not in made


@pytest.mark.parametrize("url", ["/v1/operations", "/healthz", "/nothing"])
async def test_every_answer_has_the_security_headers(client, url):
    answer = await client.get(url)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("url", ["/", "/v1", "/v1/", "/v1/operations/", "/v1/operations/a/b"])
async def test_an_unknown_path_is_404(client, url):
    answer = await client.get(url)
    assert (answer.status_code, problem_of(answer)["code"]) == (404, "not_found")


@pytest.mark.parametrize("ref", ["%00", "%0A", "x" * 300, "%F0%9F", "a%20b", "..", "%2e%2e"])
async def test_a_strange_reference_is_404(client, ref):
    answer = await client.get(f"/v1/operations/{ref}")
    assert (answer.status_code, problem_of(answer)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("PUT", "/v1/operations", "GET, HEAD, POST"),
        ("OPTIONS", "/v1/operations/x", "DELETE, GET, HEAD"),
        ("GET", "/v1/operations:batch", "POST"),
        ("HEAD", "/v1/operations:batch", "POST"),
        ("BREW", "/healthz", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_405_and_says_what_is_allowed(client, method, url, allowed):
    answer = await client.request(method, url)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed


async def test_head_is_get_without_the_body(serving, client):
    operation = await serving.submit(client)
    for url in (f"/v1/operations/{operation['id']}", "/v1/operations", "/openapi.json", "/none"):
        got, head = await client.get(url), await client.head(url)
        assert head.content == b""
        assert head.status_code == got.status_code
        assert head.headers.get("etag") == got.headers.get("etag")
        assert head.headers["content-length"] == got.headers["content-length"]


async def test_head_of_a_stream_lets_the_watcher_go(serving, client):
    operation = await serving.submit(client)
    url = f"/v1/operations/{operation['id']}/events"
    answer = await client.head(url, headers={"Accept": "text/event-stream"})
    assert answer.headers["content-type"] == "text/event-stream"
    assert serving.engine.watchers == 0


async def test_an_unexpected_error_is_logged_and_not_shown(client, monkeypatch, caplog):
    async def fail(*_args, **_kwargs):
        raise RuntimeError("the secret is hunter2")

    monkeypatch.setattr(Engine, "find", fail)
    with caplog.at_level(logging.ERROR):
        answer = await client.get("/v1/operations", headers={"X-Request-Id": "bad-1"})
    assert (answer.status_code, problem_of(answer)["code"]) == (500, "internal_error")
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    assert "bad-1" in caplog.text
    assert "hunter2" in caplog.text


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (LeaseLost(), 500, "internal_error"),
        (StoreFull(), 503, "store_full"),
        (TooManyPending(), 429, "too_many_pending"),
    ],
)
async def test_an_error_of_the_engine_has_its_status(client, monkeypatch, error, status, code):
    async def fail(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(Engine, "find", fail)
    answer = await client.get("/v1/operations")
    assert (answer.status_code, problem_of(answer)["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status in {429, 503})


def test_every_error_has_a_status():
    def codes(error):
        yield error.code
        for one in error.__subclasses__():
            yield from codes(one)

    own = set(codes(OutlastError)) - {"error", "lease_lost"}
    assert own == set(STATUS)
    assert set(STATUS.values()) == set(TITLES)


async def test_health_says_that_the_server_runs(serving):
    stranger = serving.client(None)
    answer = await stranger.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": "9.8.7"})
    assert (await stranger.get("/readyz")).status_code == 200


async def test_a_server_that_is_not_ready_does_not_say_why(serving):
    serving.is_ready = False
    answer = await serving.client(None).get("/readyz")
    assert (answer.status_code, problem_of(answer)["code"]) == (503, "unavailable")
    assert "secret" not in answer.text


async def test_metrics_count_what_was_asked(serving, client):
    operation = await serving.submit(client)
    await client.get(f"/v1/operations/{operation['id']}")
    await client.get("/nothing")
    await client.request("BREW", "/v1/operations")
    text = (await serving.client(None).get("/metrics")).text
    for line in (
        'outlast_http_requests_total{method="GET",route="/v1/operations/{ref}",status="200"} 1',
        'outlast_http_requests_total{method="POST",route="/v1/operations",status="202"} 1',
        'outlast_http_requests_total{method="other",route="none",status="404"} 1',
        'outlast_http_requests_total{method="other",route="none",status="405"} 1',
        'outlast_http_request_seconds_bucket{le="+Inf"} 4',
        "outlast_http_request_seconds_count 4",
        'outlast_operations_submitted_total{kind="add",outcome="created"} 1',
        "outlast_watchers 0",
    ):
        assert line in text.splitlines()


async def test_metrics_are_for_this_machine_or_a_token(serving):
    far = httpx.AsyncClient(
        transport=httpx.ASGITransport(serving.app, client=("192.0.2.1", 1)),
        base_url="http://outlast",
    )
    async with far:
        assert (await far.get("/metrics")).status_code == 401
        token = serving.texts["default", "viewer"]
        headers = {"Authorization": f"Bearer {token}"}
        assert (await far.get("/metrics", headers=headers)).status_code == 200
    near = serving.client(None)
    for name in ("X-Forwarded-For", "Forwarded"):
        assert (await near.get("/metrics", headers={name: "for=192.0.2.1"})).status_code == 401


async def test_kinds_come_with_their_schemas(client):
    [add, _] = (await client.get("/v1/kinds")).json()["kinds"]
    assert add == (await client.get("/v1/kinds/add")).json()
    assert (add["name"], add["executor"], add["attempts_max"]) == ("add", "inline", 3)
    assert add["description"] == "Add two numbers."
    assert add["spec_schema"]["$defs"]["AddSpec"]["required"] == ["a"]
    assert problem_of(await client.get("/v1/kinds/none"))["code"] == "not_found"


async def test_too_many_watchers_are_sent_away(tmp_path, serving, client):
    serving.hub._watchers_max = 0
    operation = await serving.submit(client, headers={"Prefer": "wait=5"})
    answer = await client.get(f"/v1/operations/{operation['id']}?wait=5")
    assert (answer.status_code, problem_of(answer)["code"]) == (503, "unavailable")
