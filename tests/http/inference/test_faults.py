"""What callers are told when the server of a model fails, or has too much to do."""

import asyncio

import openai
import pytest
from asking import BODY, CHATS, KEY, ask, fail

from outlast.settings import Limits


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

    answer = await client.post(CHATS, json=BODY)

    assert answer.status_code == 504


async def test_an_answer_past_its_limit_is_not_passed_on(make_serving, double):
    serving = await make_serving(limits=Limits(chat_answer_bytes=100))
    client = serving.client("submitter")

    answer = await client.post(CHATS, json=BODY)

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


async def test_a_backend_is_asked_by_so_many_at_once_and_the_rest_wait_or_come_again(
    make_serving, double
):
    double.fault = fail(seconds=0.3)
    serving = await make_serving(concurrency=2)
    client = serving.client("submitter")

    answers = await asyncio.gather(*(client.post(CHATS, json=BODY) for _ in range(12)))

    assert double.peak == 2
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 10 + [429] * 2
    refused = [answer for answer in answers if answer.status_code == 429]
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
