"""Whatever is sent, the answer is a clear 4xx: never a 500, and nothing is left behind."""

import json
import logging
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from serving import Serving, problem_of

from outlast.http.parsing import BODY_DEPTH_MAX, HEADER_BYTES_MAX
from outlast.settings import Limits

JSON = {"Content-Type": "application/json"}
FUZZ = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"nonsense",
        b'{"kind":"anything","spec":nul}',
        b'{"kind":"anything","spec":{}} x',
        b'{"kind":"anything","spec":{"a":NaN}}',
        b'{"kind":"anything","spec":{"a":1e999}}',
        b'{"kind":"anything","spec":"\\ud800"}',
        b'{"kind":"\\ud800","spec":1}',
        b'{"kind":"anything","spec":"\xff"}',
        b'{"kind":"anything\xff","spec":1}',
        b'{"kind":"anything","spec":"\\u0000"}',
        b'{"kind":"anything","spec":{"\\u0000":1}}',
        b'{"kind":"anything","spec":1,"labels":{"a":"\\u0000"}}',
        b'{"kind":"anything","spec":1,"project":"\\u0000"}',
        b'{"kind":"anything","spec":9223372036854775808}',
        b'{"kind":"anything","spec":' + b"[" * 65 + b"]" * 65 + b"}",
        b"[" * 100_000,
        b'{"kind":"anything","spec":' + b'{"a":' * 50_000,
        b'{"kind":"anything","spec":1,"labels":null}',
        b'{"kind":"anything","spec":1,"labels":{"":"x"}}',
        b'{"kind":"anything","spec":1,"available_at":1}',
        b'\xef\xbb\xbf{"kind":"anything","spec":1}',
        '{"kind":"anything","spec":1}'.encode("utf-16"),
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_a_malformed_body_is_400(client, body):
    answer = await client.post("/v1/operations", content=body, headers=JSON)
    assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid_request"), answer.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"kind":"add","kind":"add","spec":{"a":1}}', "kind"),
        (b'{"kind":"add","spec":{"a":1,"a":2}}', "a"),
        (b'{"kind":"add","spec":{"a":1},"labels":{"x":"1","\\u0078":"2"}}', "x"),
    ],
)
async def test_a_field_that_is_there_twice_is_named(client, body, field):
    answer = await client.post("/v1/operations", content=body, headers=JSON)
    assert answer.status_code == 400
    assert problem_of(answer)["field_errors"] == {field: "duplicate"}


async def test_the_deepest_spec_that_is_allowed_is_taken(client):
    depth = 64
    body = b'{"kind":"anything","spec":' + b"[" * depth + b"]" * depth + b"}"
    answer = await client.post("/v1/operations", content=body, headers=JSON)
    assert answer.status_code == 202
    assert depth + 3 <= BODY_DEPTH_MAX  # a member of a batch lies three levels deep


async def test_the_spec_is_kept_as_it_was_written(serving, client):
    spec = b'{"b": 1.50, "a":  [1e3, 9223372036854775807, "\\u00e9"]}'
    body = b'{"kind":"anything","spec":' + spec + b"}"
    answer = await client.post("/v1/operations", content=body, headers=JSON)
    assert spec in answer.content


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        (JSON | {"Content-Encoding": "gzip"}, 415),
        ({"Content-Type": 'Application/JSON; charset="UTF-8"'}, 202),
        ({"Content-Type": "application/cloudevents+json"}, 202),
        ({}, 202),
    ],
)
async def test_a_body_is_json_and_nothing_else(client, headers, status):
    body = b'{"kind":"add","spec":{"a":1}}'
    answer = await client.post("/v1/operations", content=body, headers=headers)
    assert answer.status_code == status


async def test_a_body_past_the_limit_is_413_also_without_a_length(client):
    pieces_sent = 0

    async def pieces():
        nonlocal pieces_sent
        for _ in range(1000):
            pieces_sent += 1
            yield b" " * 65_536

    for content in (b" " * (1024 * 1024 + 1), pieces()):
        answer = await client.post("/v1/operations", content=content, headers=JSON)
        problem = problem_of(answer)
        assert (answer.status_code, problem["code"]) == (413, "too_large")
        assert str(1024 * 1024) in problem["detail"]
    assert pieces_sent < 20


async def test_a_spec_past_its_limit_is_413(client):
    body = {"kind": "anything", "spec": "x" * (256 * 1024)}
    answer = await client.post("/v1/operations", json=body)
    assert (answer.status_code, problem_of(answer)["code"]) == (413, "too_large")


async def test_limits_come_from_the_settings(tmp_path):
    serving = Serving(tmp_path, limits=Limits(body_bytes=100, upload_bytes=20, page_size=2))
    await serving.open()
    client = serving.client()
    await client.post("/v1/datasets", json={"name": "d"})
    csv = {"Content-Type": "text/csv"}
    for answer in (
        await client.post("/v1/operations", json={"kind": "add", "spec": {"note": "x" * 100}}),
        await client.post("/v1/datasets/d/versions", content=b"a\n" + b"1\n" * 20, headers=csv),
    ):
        assert problem_of(answer)["code"] == "too_large"
    assert (await client.get("/v1/operations?page_size=3")).status_code == 400
    await serving.close()


async def test_headers_past_the_limit_are_431(client):
    headers = {"X-Long": "x" * HEADER_BYTES_MAX}
    answer = await client.get("/v1/operations", headers=headers)
    assert (answer.status_code, problem_of(answer)["code"]) == (431, "headers_too_large")


async def test_a_query_past_the_limit_is_413(client):
    answer = await client.get("/v1/operations?project=" + "x" * 9000)
    assert (answer.status_code, problem_of(answer)["code"]) == (413, "too_large")


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é", "a\x7f"])
async def test_a_malformed_idempotency_key_is_400(client, key):
    headers = {"Idempotency-Key": key.encode()}
    body = {"kind": "add", "spec": {"a": 1}}
    answer = await client.post("/v1/operations", json=body, headers=headers)
    assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("name", ["", "a b", "x" * 129, "é", "a/b"])
async def test_a_malformed_operation_id_is_400(client, name):
    headers = {"Operation-Id": name.encode()}
    body = {"kind": "add", "spec": {"a": 1}}
    answer = await client.post("/v1/operations", json=body, headers=headers)
    assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid_request")


async def test_headers_that_are_given_twice_do_not_pass_as_one(serving):
    client = serving.client("admin")
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    body = {"kind": "add", "spec": {"a": 1}}
    answer = await client.post("/v1/operations", json=body, headers=headers)
    assert answer.status_code == 400


texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(
    [
        "kind", "spec", "labels", "priority", "available_at", "deadline_at", "resource_type",
        "resource_id", "project", "project_version", "operations", "operation_id", "filter",
        "dry_run", "state", "name", "role", "member", "expires_seconds", "idempotency_key",
    ]
)  # fmt: skip
bodies = st.dictionaries(names | texts, values, max_size=6)
POSTS = [
    "/v1/operations", "/v1/operations:batch", "/v1/operations:cancel", "/v1/tokens",
    "/v1/datasets", "/v1/operations/none/cancel", "/v1/operations/none/retry",
]  # fmt: skip


def check(answer, caplog):
    assert answer.status_code < 500, answer.text
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]
    if answer.status_code >= 400:
        problem_of(answer)


@FUZZ
@given(url=st.sampled_from(POSTS), body=bodies)
async def test_no_body_of_json_makes_a_500(client, caplog, url, body):
    content = json.dumps(body).encode()
    check(await client.post(url, content=content, headers=JSON), caplog)


moments = st.text("0123456789-:TZ+. ", max_size=30)


@FUZZ
@given(wish=st.tuples(values, values, moments, values))
@example(wish=(0, {}, "9999-12-31T23:59:59-23:59", 0))
@example(wish=(0, {}, "0001-01-01T00:00:00+23:59", 0))
async def test_no_field_of_a_submission_makes_a_500(client, caplog, wish):
    spec, labels, moment, priority = wish
    body = {"kind": "anything", "spec": spec}
    for name, value in (("labels", labels), ("available_at", moment), ("priority", priority)):
        content = json.dumps(body | {name: value}).encode()
        check(await client.post("/v1/operations", content=content, headers=JSON), caplog)
    batch = json.dumps({"operations": [body, spec, body | {"labels": labels}]}).encode()
    answer = await client.post("/v1/operations:batch", content=batch, headers=JSON)
    check(answer, caplog)
    if answer.status_code == 200:
        assert len(answer.json()["results"]) == 3


@FUZZ
@given(url=st.sampled_from(POSTS), content=st.binary(max_size=200))
async def test_no_bytes_make_a_500(client, caplog, url, content):
    check(await client.post(url, content=content, headers=JSON), caplog)


parameters = st.sampled_from(
    [
        "state", "kind", "label.a", "label.", "label", "resource_type", "resource_id", "project",
        "parent_id", "created_after", "created_before", "page_size", "page_token", "view", "wait",
        "after", "limit", "before", "version", "offset", "format",
    ]
)  # fmt: skip
GETS = [
    "/v1/operations", "/v1/operations/{id}", "/v1/operations/{id}/events",
    "/v1/operations/{id}/logs", "/v1/audit", "/v1/datasets", "/v1/datasets/d/versions",
    "/v1/datasets/d/rows", "/v1/kinds", "/v1/tokens", "/healthz",
]  # fmt: skip
queries = st.dictionaries(parameters | texts, texts | st.integers().map(str), max_size=3)


@FUZZ
@given(url=st.sampled_from(GETS), query=queries, raw=st.binary(max_size=20))
@example(url="/v1/operations", query={"created_after": "9999-12-31T23:59:59-23:59"}, raw=b"")
@example(url="/v1/operations", query={"created_before": "0001-01-01T00:00:00+23:59"}, raw=b"")
@example(url="/v1/operations", query={"label.": "x"}, raw=b"")
async def test_no_query_makes_a_500(client, caplog, url, query, raw):
    query.pop("wait", None)
    query = {name: value for name, value in query.items() if _is_encodable(name + value)}
    url = url.format(id="none")
    check(await client.get(url, params=query), caplog)
    target = httpx.URL("http://outlast").copy_with(raw_path=url.encode() + b"?" + _quoted(raw))
    check(await client.get(target), caplog)


@FUZZ
@given(
    headers=st.dictionaries(
        st.sampled_from(
            [
                "If-None-Match", "Prefer", "Idempotency-Key", "Operation-Id", "traceparent",
                "X-Request-Id", "Outlast-Tenant", "Authorization", "Last-Event-ID", "Accept",
                "Content-Type", "Content-Encoding", "Content-Length",
            ]
        ),
        st.binary(max_size=40).map(lambda value: value.translate(None, b"\r\n\0")),
        max_size=4,
    )
)  # fmt: skip
async def test_no_header_makes_a_500(serving, client, caplog, headers):
    headers.pop("Prefer", None)
    body = b'{"kind":"add","spec":{"a":1}}'
    posted = await client.post("/v1/operations", content=body, headers=JSON | headers)
    check(posted, caplog)
    if b"event-stream" not in headers.get("Accept", b""):
        check(await client.get("/v1/operations/none/events", headers=headers), caplog)


@FUZZ
@given(path=st.text(max_size=30), method=st.sampled_from(["GET", "POST", "DELETE", "HEAD"]))
async def test_no_path_makes_a_500(client, caplog, path, method):
    for prefix in ("/", "/v1/operations/", "/v1/datasets/", "/v1/tokens/", "/v1/kinds/"):
        target = prefix.encode() + _quoted(path.encode(errors="replace"))
        url = httpx.URL("http://outlast").copy_with(raw_path=target)
        answer = await client.request(method, url)
        assert answer.status_code < 500
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def _quoted(raw):
    return quote(raw, safe="").encode()


def _is_encodable(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
