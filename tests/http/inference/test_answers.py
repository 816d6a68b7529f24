"""Chats, embeddings and models as OpenAI's client sees them: the official one, over a port."""

import openai
import pytest
from asking import CHATS, HELLO, KEY, MODEL, ask, official_client
from model_double import reply_to

from outlast.settings import Limits


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

    answer = await client.post(CHATS, json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == loc
    assert double.requests == []


@pytest.mark.parametrize("field", ['"temperature":1e999', '"metadata":{"a":1e999}'])
async def test_a_number_that_nothing_can_keep_is_refused_by_its_field(serving, field, double):
    body = f'{{"model":"{MODEL}","messages":[{{"content":"x"}}],{field}}}'

    answer = await serving.client("submitter").post(CHATS, content=body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["body", field.split('"')[1]]
    assert double.requests == []


async def test_a_body_past_its_own_limit_is_refused(make_serving):
    serving = await make_serving(limits=Limits(chat_body_bytes=1000))
    client = serving.client("submitter")
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x" * 1000}]}

    answer = await client.post(CHATS, json=body)

    assert answer.status_code == 413


async def test_connections_to_a_backend_are_used_again(official, double):
    for _ in range(3):
        await ask(official)
        async for _ in await ask(official, stream=True):
            pass

    assert double.connections == 1
