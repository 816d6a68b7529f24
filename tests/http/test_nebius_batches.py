"""Batches by the official client, on a live server over the double."""

import json
import time
from datetime import UTC, datetime, timedelta

import httpx
import openai
import pytest
from model_double import Fault, ModelDouble, reply_to
from model_server import KEY, ModelServer

ENDED = {"completed", "failed", "expired", "cancelled"}
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def double():
    with ModelDouble(key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, double):
    running = ModelServer(tmp_path_factory.mktemp("server"), double)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def client(server, double):
    double.fault = lambda _: None
    double.seen.clear()
    with server.openai() as opened:
        yield opened


def line(number, model="double", text=None, **more):
    messages = [{"role": "user", "content": text or f"hi {number}"}]
    request = {"custom_id": f"c{number}", "method": "POST", "url": CHAT}
    return json.dumps(request | {"body": {"model": model, "messages": messages}} | more)


def upload(client, lines):
    content = "".join(one + "\n" for one in lines).encode()
    return client.files.create(file=("in.jsonl", content), purpose="batch")


def create(client, lines, **more):
    file = upload(client, lines)
    more = {"endpoint": CHAT, "completion_window": "24h"} | more
    return client.batches.create(input_file_id=file.id, **more)


def end_of(client, batch, seconds=30):
    ends_at = time.monotonic() + seconds
    while batch.status not in ENDED:
        assert time.monotonic() < ends_at, batch
        time.sleep(0.05)
        batch = client.batches.retrieve(batch.id)
    return batch


def content(client, file_id):
    return [json.loads(one) for one in client.files.content(file_id).text.splitlines()]


def test_a_file_becomes_a_batch_whose_output_has_every_request(client, double):
    batch = create(client, [line(n) for n in range(40)], metadata={"team": "a"})
    assert (batch.object, batch.status) == ("batch", "validating")
    assert batch.expires_at - batch.created_at == 24 * 3600
    done = end_of(client, batch)
    assert (done.status, done.errors, done.error_file_id) == ("completed", None, None)
    assert done.metadata == {"team": "a"}
    assert done.created_at <= done.in_progress_at <= done.completed_at
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed) == (40, 40, 0)
    output = content(client, done.output_file_id)
    assert {one["custom_id"] for one in output} == {f"c{n}" for n in range(40)}
    said = {one["custom_id"]: one["response"]["body"]["choices"][0] for one in output}
    assert said["c7"]["message"]["content"] == reply_to("hi 7")
    assert set(double.seen.values()) == {1}
    assert client.files.retrieve(done.output_file_id).purpose == "batch_output"


def test_a_batch_is_an_operation_with_the_same_id(client):
    batch = end_of(client, create(client, [line(1)]))
    operation = client.get(f"/operations/{batch.id}", cast_to=object)
    assert (operation["type"], operation["status"]) == ("batch_inference", "succeeded")


def test_batches_are_listed_newest_first_in_pages_and_by_file(client):
    made = [end_of(client, create(client, [line(n)])) for n in range(3)]
    listed = client.batches.list(limit=2)
    assert [one.id for one in listed.data] == [made[2].id, made[1].id]
    assert listed.has_more
    assert client.batches.list(limit=1, after=made[1].id).data[0].id == made[0].id
    of_file = client.batches.list(extra_query={"input_file_id": made[1].input_file_id})
    assert [one.id for one in of_file.data] == [made[1].id]
    none = client.batches.list(extra_query={"ai_project_id": "nowhere"})
    assert (none.data, none.has_more) == ([], False)
    with pytest.raises(openai.UnprocessableEntityError):
        client.batches.list(after="nobody")


def test_a_cancelled_batch_leaves_what_was_done_and_a_retry_does_the_rest(client, server, double):
    double.fault = lambda asked: Fault(seconds=30) if asked.number % 8 == 0 else None
    batch = create(client, [line(n) for n in range(200)])
    while client.batches.retrieve(batch.id).request_counts.completed == 0:
        time.sleep(0.05)
    assert client.batches.cancel(batch.id).status in {"cancelling", "cancelled"}
    done = end_of(client, batch)
    assert (done.status, done.completed_at) == ("cancelled", None)
    assert done.cancelled_at >= done.cancelling_at
    output = content(client, done.output_file_id)
    assert 0 < len(output) == done.request_counts.completed < 200
    assert client.batches.cancel(batch.id).status == "cancelled"

    double.fault = lambda _: None
    headers = {"Authorization": f"Bearer {server.token}"}
    url = f"http://127.0.0.1:{server.port}/v1/operations/{batch.id}/retry"
    retried = client.batches.retrieve(httpx.post(url, headers=headers).json()["id"])
    done = end_of(client, retried)
    assert {one["custom_id"] for one in content(client, done.output_file_id)} == {
        f"c{n}" for n in range(200)
    }
    assert done.request_counts.completed == 200
    assert all(double.seen[f"hi {one['custom_id'][1:]}"] == 1 for one in output)


def test_a_batch_that_passes_its_deadline_expires_with_what_was_done(client, server, double):
    double.fault = lambda asked: Fault(seconds=30) if asked.number % 8 == 0 else None
    file = upload(client, [line(n) for n in range(200)])
    spec = {"model": "double", "file": file.id}
    at = datetime.now(UTC) + timedelta(seconds=5)  # noqa: TID251  a caller's deadline
    answer = httpx.post(
        f"http://127.0.0.1:{server.port}/v1/operations",
        headers={"Authorization": f"Bearer {server.token}"},
        json={"kind": "batch_inference", "spec": spec, "deadline_at": at.isoformat()},
    )
    done = end_of(client, client.batches.retrieve(answer.json()["id"]))
    assert (done.status, done.errors.data[0].code) == ("expired", "deadline_exceeded")
    assert done.expired_at >= done.expires_at
    assert len(content(client, done.output_file_id)) == done.request_counts.completed > 0


def test_too_many_invalid_rows_fail_with_their_lines_and_an_error_file(client, double):
    lines = [line(n) for n in range(8)] + ["nothing", line(8, url="/v1/other")]
    done = end_of(client, create(client, lines))
    assert (done.status, done.output_file_id, not double.seen) == ("failed", None, True)
    first, *rows = done.errors.data
    assert first.message == "Invalid request rows 2 of 10 exceed the 10% limit."
    assert [row.line for row in rows] == [9, 10]
    assert rows[1].message.startswith("Line:10 custom_id:c8 url must be /v1/chat/completions")
    assert done.request_counts.total == 10
    messages = client.files.content(done.error_file_id).text.splitlines()
    assert messages == [one.message for one in done.errors.data]
    errors = client.get(f"/operations/{done.id}/errors", cast_to=object)
    assert errors["data"] == messages


def test_an_unknown_model_fails_every_row_as_the_service_does(client):
    done = end_of(client, create(client, [line(n, model="nope") for n in (1, 2, 3)]))
    assert done.errors.data[0].message == "Invalid request rows 3 of 3 exceed the 10% limit."
    assert done.errors.data[1].message == (
        'Line:1 custom_id:c1 model "nope" is not a known batch endpoint routing key'
    )


@pytest.mark.parametrize("garbage", [["\x00" * 50], ["[" * 20_000], ['"x"', "7"]])
def test_a_file_of_garbage_fails_with_a_sentence(client, garbage):
    done = end_of(client, create(client, garbage))
    assert done.status == "failed"
    assert "exceed the 10% limit" in done.errors.data[0].message


def test_settings_for_all_rows_override_theirs_and_are_shown(client, double):
    settings = {"model": "double", "temperature": 0.25}
    lines = [line(1, model="another")]
    done = end_of(client, create(client, lines, extra_body={"override_settings": settings}))
    assert (done.status, done.override_settings) == ("completed", settings)
    assert double.requests[-1].body["temperature"] == 0.25


@pytest.mark.parametrize(
    ("more", "status", "says"),
    [
        ({"completion_window": "soon"}, 422, "completion_window"),
        ({"endpoint": "/v1/other"}, 422, "endpoint"),
        ({"metadata": {"a b": "c"}}, 422, "metadata"),
        ({"extra_body": {"override_settings": {"model": "nope"}}}, 404, "no model 'nope'"),
        ({"extra_body": {"override_settings": {"temperature": 3}}}, 422, "temperature"),
        ({"extra_body": {"override_settings": {"messages": []}}}, 422, "messages"),
    ],
)
def test_what_cannot_be_is_refused_at_once_by_name(client, more, status, says):
    with pytest.raises(openai.APIStatusError) as refused:
        create(client, [line(1)], **more)
    assert refused.value.status_code == status
    assert says in refused.value.response.text


def test_a_file_must_be_there_and_be_for_a_batch(client):
    more = {"endpoint": CHAT, "completion_window": "24h"}
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="0" * 32, **more)
    file = client.files.create(file=("a.jsonl", b"{}"), purpose="fine-tune")
    with pytest.raises(openai.APIStatusError) as refused:
        client.batches.create(input_file_id=file.id, **more)
    assert "for 'fine-tune', not for 'batch'" in refused.value.response.text
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("0" * 32)


def test_the_same_wish_with_the_same_key_is_the_same_batch(client):
    file = upload(client, [line(1)])
    more = {"endpoint": CHAT, "completion_window": "24h", "input_file_id": file.id}
    headers = {"Idempotency-Key": "once"}
    first = client.batches.create(**more, extra_headers=headers)
    time.sleep(0.01)
    assert client.batches.create(**more, extra_headers=headers).id == first.id


def test_a_dataset_is_asked_row_by_row_and_becomes_a_dataset(client, server):
    rows = [{"id": f"r{n}", "chat": [{"role": "user", "content": f"hi {n}"}]} for n in range(12)]
    schema = [
        {"name": "id", "type": {"name": "string"}},
        {"name": "chat", "type": {"name": "json"}},
    ]
    body = {"name": "chats", "folder": "/", "schema": schema, "rows": rows}
    made = client.post("/datasets", body=body, cast_to=object)
    mapping = {
        "type": "text_messages",
        "messages": {"type": "column", "name": "chat"},
        "custom_id": {"type": "column", "name": "id"},
        "max_tokens": {"type": "number", "value": 64},
    }
    source = {"id": made["id"], "version": made["current_version"], "mapping": mapping}
    wanted = {"type": "batch_inference", "src": [source], "params": {"model": "double"}}
    operation = client.post("/operations", body=wanted, cast_to=object)
    batch = end_of(client, client.batches.retrieve(operation["id"]))
    assert (batch.status, batch.request_counts.completed) == ("completed", 12)
    assert len(content(client, batch.output_file_id)) == 12
    [target] = client.get(f"/operations/{batch.id}", cast_to=object)["dst"]
    exported = httpx.get(
        f"{client.base_url}datasets/{target['id']}/export",
        params={"format": "jsonl"},
        headers={"Authorization": f"Bearer {server.token}"},
    )
    answers = {one["custom_id"]: one for one in map(json.loads, exported.text.splitlines())}
    assert answers["r3"]["completion"] == reply_to("hi 3")
    assert set(answers) == {f"r{n}" for n in range(12)}

    source["mapping"] = {"type": "text_messages", "messages": {"type": "column", "name": "no"}}
    with pytest.raises(openai.APIStatusError) as refused:
        client.post("/operations", body=wanted, cast_to=object)
    [detail] = refused.value.body["detail"]
    assert detail["loc"] == ["body", "src", 0, "mapping", "messages", "name"]
    assert "column 'no' does not exist; the version has: id, chat" in detail["msg"]


def test_the_key_of_the_backend_is_written_nowhere(client, server):
    end_of(client, create(client, [line(1)]))
    for path in server.data.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    assert KEY not in server.log.read_text()
