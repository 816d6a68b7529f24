"""What the log has of a chat when its answer has ended, and what is kept out of it."""

import openai
import pytest
from asking import BODY, CHATS, HELLO, MODEL, ask, fail
from model_double import reply_to

from outlast.settings import ChatLog


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

    assert (await client.post(CHATS, json=BODY)).status_code == 200

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

    answer = await client.post(CHATS, json=BODY)

    assert answer.status_code == 200
    assert serving.chatting.log.dropped == {"redact_failed": 1}
