"""Chats, embeddings and models as OpenAI's client sees them: the official one, over a port."""

import asyncio
import json

import openai
import pytest
from installation import until
from model_double import Fault, ModelDouble, reply_to
from serving import Serving

from outlast.settings import Backend, ChatLog, Limits

KEY = "key-of-the-backend"
MODEL = "acme/small"
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def double():
    with ModelDouble(models=("theirs",), key=KEY) as double:
        yield double


def backend(double, **fields):
    fields = {"url": double.url, "concurrency": 2, "timeout_seconds": 5} | fields
    return Backend(models=(f"{MODEL}=theirs",), api_key_variable="ACME_KEY", **fields)


@pytest.fixture
async def make_serving(tmp_path, double):
    made = []

    async def make(limits=None, redact=None, chat_log=None, **fields):
        one = Serving(
            tmp_path,
            limits=limits,
            redact=redact,
            keys={"acme": KEY},
            backends={"acme": backend(double, **fields)},
            chat_log=chat_log or ChatLog(),
        )
        made.append(one)
        await one.open()
        return one

    yield make
    for one in made:
        await one.close()


@pytest.fixture
async def serving(make_serving):
    return await make_serving()


@pytest.fixture
async def port(serving):
    async with serving.listening() as port:
        yield port


def official_client(serving, port, role="submitter"):
    return openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{port}/nebius/v1",
        api_key=serving.texts["default", role],
        max_retries=0,
    )


@pytest.fixture
async def official(serving, port):
    async with official_client(serving, port) as client:
        yield client


async def ask(official, text="hello", **fields):
    messages = [{"role": "user", "content": text}]
    return await official.chat.completions.create(model=MODEL, messages=messages, **fields)


def fail(**fault):
    return lambda _: Fault(**fault)


async def test_a_chat_is_answered_by_the_backend_that_has_the_model(official, double):
    answer = await ask(official, temperature=0.5, seed=7, extra_body={"top_k": 3})

    assert answer.choices[0].message.content == reply_to("hello")
    [request] = double.requests
    assert request.body == {
        "model": "theirs",
        "messages": HELLO,
        "temperature": 0.5,
        "seed": 7,
        "top_k": 3,
    }


async def test_the_backend_is_asked_with_its_own_key_and_never_sees_the_callers(
    serving, official, double
):
    await ask(official)

    [request] = double.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert serving.texts["default", "submitter"] not in str(request.headers)


async def test_a_chat_is_streamed_piece_by_piece(official, double):
    stream = await ask(official, stream=True)

    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(pieces) == reply_to("hello")
    assert len(pieces) > 3


async def test_the_usage_of_a_stream_is_for_the_log_unless_it_was_asked_for(
    serving, official, double
):
    without = [chunk async for chunk in await ask(official, stream=True)]
    with_it = [
        chunk
        async for chunk in await ask(official, stream=True, stream_options={"include_usage": True})
    ]

    assert all(chunk.choices and chunk.usage is None for chunk in without)
    assert with_it[-1].usage.total_tokens > 0
    assert [entry.usage for entry in await serving.chatting.logged()] == [
        with_it[-1].usage.model_dump(exclude_none=True)
    ] * 2


async def test_texts_are_embedded(official, double):
    answer = await official.embeddings.create(
        model=MODEL, input=["one", "two"], encoding_format="float"
    )

    assert [len(row.embedding) for row in answer.data] == [3, 3]
    assert double.requests[0].path == "/v1/embeddings"


async def test_models_are_listed_and_found_by_names_with_slashes(serving, port):
    async with official_client(serving, port, "viewer") as viewer:
        assert [model.id async for model in viewer.models.list()] == [MODEL]
        model = await viewer.models.retrieve(MODEL)
        assert (model.id, model.object, model.owned_by) == (MODEL, "model", "acme")
        with pytest.raises(openai.NotFoundError) as raised:
            await viewer.models.retrieve("acme/large")
        assert "known are acme/small" in str(raised.value.body)


async def test_a_viewer_may_not_ask(serving, port):
    async with official_client(serving, port, "viewer") as viewer:
        with pytest.raises(openai.PermissionDeniedError):
            await ask(viewer)


async def test_an_unknown_model_is_not_found_and_the_known_ones_are_named(official):
    with pytest.raises(openai.NotFoundError) as raised:
        await official.chat.completions.create(model="nobody", messages=HELLO)
    assert "known are acme/small" in str(raised.value.body)


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"messages": HELLO}, ["body", "model"]),
        ({"model": "", "messages": HELLO}, ["body", "model"]),
        ({"model": MODEL}, ["body", "messages"]),
        ({"model": MODEL, "messages": []}, ["body", "messages"]),
        ({"model": MODEL, "messages": "hi"}, ["body", "messages"]),
        ({"model": MODEL, "messages": HELLO, "stream": "yes"}, ["body", "stream"]),
        ({"model": MODEL, "messages": HELLO, "metadata": {"k": 1}}, ["body", "metadata"]),
    ],
)
async def test_a_body_that_does_not_fit_is_refused_by_its_field(serving, body, loc, double):
    client = serving.client("submitter")

    answer = await client.post("/nebius/v1/chat/completions", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == loc
    assert double.requests == []


async def test_a_body_past_its_own_limit_is_refused(make_serving):
    serving = await make_serving(limits=Limits(chat_body_bytes=1000))
    client = serving.client("submitter")
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x" * 1000}]}

    answer = await client.post("/nebius/v1/chat/completions", json=body)

    assert answer.status_code == 413


@pytest.mark.parametrize(
    "failure",
    [
        ({"status": 400, "message": "no such role"}, openai.BadRequestError, 400),
        ({"status": 422, "message": "too hot"}, openai.UnprocessableEntityError, 422),
        ({"status": 401}, openai.InternalServerError, 502),
        ({"status": 404}, openai.InternalServerError, 502),
        ({"status": 500}, openai.InternalServerError, 502),
        ({"status": 504}, openai.InternalServerError, 504),
        ({"kind": "reset"}, openai.InternalServerError, 502),
        ({"kind": "garbage"}, openai.InternalServerError, 502),
        ({"kind": "truncated"}, openai.InternalServerError, 502),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_failure_of_the_backend_is_told_in_our_words(official, double, failure, stream):
    fault, error, status = failure
    double.fault = fail(**({"chunks": 0} | fault))

    with pytest.raises(error) as raised:
        await ask(official, stream=stream)

    assert raised.value.status_code == status
    assert isinstance(raised.value.body["detail"], str)
    if status < 500:
        assert fault["message"] in raised.value.body["detail"]


async def test_what_a_backend_says_is_shown_without_its_key(official, double):
    double.fault = fail(status=400, message=f"bad {KEY}, or Bearer abc, or sk-123; " + "x" * 5000)

    with pytest.raises(openai.BadRequestError) as raised:
        await ask(official)

    text = raised.value.body["detail"]
    assert text.startswith("bad [key], or [key] or [key]")
    assert len(text) <= 1000


async def test_a_backend_that_asks_to_slow_down_says_until_when(official, double):
    double.fault = fail(status=429, retry_after="7", message="too fast")

    with pytest.raises(openai.RateLimitError) as raised:
        await ask(official)

    assert raised.value.body == {"detail": "too fast"}
    assert raised.value.response.headers["retry-after"] == "7"


async def test_a_backend_that_takes_too_long_is_left(make_serving, double):
    serving = await make_serving(timeout_seconds=0.2)
    double.fault = fail(seconds=5)
    client = serving.client("submitter")
    body = {"model": MODEL, "messages": HELLO}

    answer = await client.post("/nebius/v1/chat/completions", json=body)

    assert answer.status_code == 504


async def test_an_answer_past_its_limit_is_not_passed_on(make_serving, double):
    serving = await make_serving(limits=Limits(chat_answer_bytes=100))
    client = serving.client("submitter")
    body = {"model": MODEL, "messages": HELLO}

    answer = await client.post("/nebius/v1/chat/completions", json=body)

    assert answer.status_code == 502
    assert "100 bytes" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["truncated", "error_chunk"])
async def test_a_stream_that_breaks_off_ends_with_an_error_and_not_cleanly(
    serving, official, double, kind
):
    double.fault = fail(kind=kind, chunks=3, message="out of memory")
    stream = await ask(official, "a longer text", stream=True)
    pieces = []

    async def read():
        async for chunk in stream:
            pieces.append(chunk.choices[0].delta.content)  # noqa: PERF401  kept when it raises

    with pytest.raises(openai.APIError) as raised:
        await read()

    assert pieces[:2] == ["", "t"]
    assert ("out of memory" in raised.value.message) is (kind == "error_chunk")
    [entry] = await serving.chatting.logged()
    assert (entry.status, entry.choices[0]["message"]["content"]) == ("incomplete", "tx")


class Endless:
    """A backend that never ends an answer, and remembers whether it was left."""

    def __init__(self, *, is_streaming):
        self._is_streaming = is_streaming
        self.is_asked = asyncio.Event()
        self.is_left = asyncio.Event()
        self.sent = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _answer(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        self.is_asked.set()
        try:
            if self._is_streaming:
                await self._stream(writer)
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
        finally:
            self.is_left.set()
            writer.close()

    async def _stream(self, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = {"choices": [{"index": 0, "delta": {"content": "x" * 10_000}}]}
        data = b"data: " + json.dumps(chunk).encode() + b"\n\n"
        while True:
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
            self.sent += len(data)


@pytest.mark.parametrize("is_streaming", [False, True], ids=["whole", "streamed"])
async def test_a_client_that_goes_away_stops_the_backend(make_serving, is_streaming):
    async with Endless(is_streaming=is_streaming) as endless:
        serving = await make_serving(url=endless.url)
        async with serving.listening() as port:
            writer = await post(serving, port, stream=is_streaming)
            await endless.is_asked.wait()
            writer.close()
            async with asyncio.timeout(5):
                await endless.is_left.wait()
            [entry] = await until(serving.chatting.logged)

    assert entry.status == "incomplete"


async def test_a_client_that_reads_slowly_slows_the_backend_down(make_serving):
    async with Endless(is_streaming=True) as endless:
        serving = await make_serving(url=endless.url)
        async with serving.listening() as port:
            writer = await post(serving, port, stream=True)
            await endless.is_asked.wait()
            sent = -1
            while sent != endless.sent:
                sent = endless.sent
                await asyncio.sleep(0.2)
            writer.close()
    # What the buffers of three sockets take, and not one answer without end.
    assert sent < 40_000_000


async def post(serving, port, **fields):
    """Ask, and do not read the answer."""
    body = json.dumps({"model": MODEL, "messages": HELLO} | fields)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        (
            "POST /nebius/v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {serving.texts['default', 'submitter']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
    )
    await writer.drain()
    return writer


async def test_a_backend_is_asked_by_so_many_at_once_and_the_rest_wait_or_come_again(
    make_serving, double
):
    double.fault = fail(seconds=0.3)
    serving = await make_serving(concurrency=2)
    client = serving.client("submitter")
    body = {"model": MODEL, "messages": HELLO}

    answers = await asyncio.gather(
        *(client.post("/nebius/v1/chat/completions", json=body) for _ in range(12))
    )

    assert double.peak == 2
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 10 + [429] * 2
    refused = [answer for answer in answers if answer.status_code == 429]
    assert all(answer.headers["retry-after"] == "1" for answer in refused)


async def test_what_was_said_is_in_the_log_when_the_answer_has_ended(serving, official):
    await ask(official, temperature=0.5, metadata={"app": "bot"})
    async for _ in await ask(official, "streamed", stream=True):
        pass

    plain, streamed = await serving.chatting.logged()
    assert (plain.member, plain.model, plain.status) == ("submitter-1", MODEL, "succeeded")
    assert plain.messages == HELLO
    assert plain.choices[0]["message"]["content"] == reply_to("hello")
    assert (plain.parameters, plain.metadata) == ({"temperature": 0.5}, {"app": "bot"})
    assert plain.usage["total_tokens"] > 0
    assert (plain.is_streamed, streamed.is_streamed) == (False, True)
    assert streamed.choices[0]["message"] == {
        "role": "assistant",
        "content": reply_to("streamed"),
    }
    assert streamed.choices[0]["finish_reason"] == "stop"


async def test_what_is_for_this_server_is_not_passed_on(official, double):
    await ask(official, metadata={"app": "bot"}, store=True)

    assert double.requests[0].body.keys() == {"model", "messages"}


@pytest.mark.parametrize(
    "wish", [{"store": False}, {"extra_headers": {"Outlast-Chat-Log": "off"}}], ids=str
)
async def test_a_chat_is_kept_out_of_the_log_by_who_asks(serving, official, double, wish):
    await ask(official, **wish)
    async for _ in await ask(official, stream=True, **wish):
        pass

    assert await serving.chatting.logged() == []
    assert "stream_options" not in double.requests[1].body


async def test_a_word_that_the_header_does_not_know_is_refused(official, double):
    with pytest.raises(openai.UnprocessableEntityError) as raised:
        await ask(official, extra_headers={"Outlast-Chat-Log": "no"})
    assert "Outlast-Chat-Log" in str(raised.value.body)
    assert double.requests == []


async def test_a_server_that_does_not_log_logs_nothing(make_serving):
    serving = await make_serving(chat_log=ChatLog(is_enabled=False))
    client = serving.client("submitter")
    body = {"model": MODEL, "messages": HELLO}

    assert (await client.post("/nebius/v1/chat/completions", json=body)).status_code == 200

    assert await serving.chatting.logged() == []


async def test_a_failed_chat_is_logged_as_such_and_a_refused_one_of_ours_is_not(
    serving, official, double
):
    with pytest.raises(openai.NotFoundError):
        await official.chat.completions.create(model="nobody", messages=HELLO)
    double.fault = fail(status=500, message="boom")
    with pytest.raises(openai.InternalServerError):
        await ask(official)

    [entry] = await serving.chatting.logged()
    assert (entry.status, entry.choices) == ("failed", [])
    assert "boom" in entry.error


async def test_a_hook_that_fails_never_fails_the_request(make_serving):
    serving = await make_serving(redact=lambda entry: 1 / 0)
    client = serving.client("submitter")
    body = {"model": MODEL, "messages": HELLO}

    answer = await client.post("/nebius/v1/chat/completions", json=body)

    assert answer.status_code == 200
    assert serving.chatting.log.dropped == {"redact_failed": 1}


async def test_connections_to_a_backend_are_used_again(official, double):
    for _ in range(3):
        await ask(official)
        async for _ in await ask(official, stream=True):
            pass

    assert double.connections == 1
