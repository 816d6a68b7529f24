"""The double is held to the official client: what it says must be what a real endpoint says."""

import openai
import pytest
from model_double import Fault, ModelDouble, reply_to


@pytest.fixture
def double():
    with ModelDouble(key="k") as running:
        yield running


@pytest.fixture
async def client(double):
    async with openai.AsyncOpenAI(base_url=double.url, api_key="k", max_retries=0) as opened:
        yield opened


def ask(client, text, **more):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="double", messages=messages, **more)


async def test_a_chat_is_answered_and_counted_by_its_content(double, client):
    answer = await ask(client, "hello")
    assert answer.choices[0].message.content == reply_to("hello")
    assert answer.usage.total_tokens > 0
    assert double.seen == double.answered == {"hello": 1}


async def test_a_stream_says_the_same_in_pieces_and_its_usage_when_asked(client):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = [chunk async for chunk in await ask(client, "hello", **options)]
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == reply_to("hello")
    assert chunks[-1].usage.total_tokens > 0


async def test_embeddings_and_models_are_listed(client):
    answer = await client.embeddings.create(
        model="double", input=["a", "b"], encoding_format="float"
    )
    assert [len(one.embedding) for one in answer.data] == [3, 3]
    assert [model.id async for model in client.models.list()] == ["double"]


async def test_a_wrong_key_and_an_unknown_model_are_refused(double, client):
    async with openai.AsyncOpenAI(base_url=double.url, api_key="no", max_retries=0) as other:
        with pytest.raises(openai.AuthenticationError):
            await ask(other, "hello")
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="nope", messages=[{"role": "user"}])


async def read(stream):
    return [chunk async for chunk in stream]


async def test_it_fails_as_it_is_told(double, client):
    async def fail(fault, **more):
        double.fault = lambda _: fault
        with pytest.raises(openai.APIError) as failed:
            await read(await ask(client, "hello", **more))
        return failed.value

    assert (await fail(Fault(status=429, retry_after="7"))).response.headers["retry-after"] == "7"
    assert (await fail(Fault(status=503))).status_code == 503
    assert isinstance(await fail(Fault(kind="reset")), openai.APIConnectionError)
    assert isinstance(await fail(Fault(kind="truncated")), openai.APIConnectionError)
    assert "told to fail" in str(await fail(Fault(kind="error_chunk"), stream=True))
