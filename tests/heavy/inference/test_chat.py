"""Chats and embeddings of real weights, through our server, with the official client."""

import openai
import pytest

COLOURS = [{"role": "user", "content": "The three primary colours are red, blue and"}]


def test_a_chat_is_completed(client, model):
    said = client.chat.completions.create(
        model=model, messages=COLOURS, max_tokens=4, temperature=0
    )
    assert "yellow" in said.choices[0].message.content
    assert said.choices[0].finish_reason == "length"
    assert said.usage.completion_tokens == 4


def test_a_chat_is_streamed_token_by_token(client, model):
    stream = client.chat.completions.create(
        model=model, messages=COLOURS, max_tokens=4, temperature=0, stream=True
    )
    pieces = [chunk.choices[0].delta.content for chunk in stream if chunk.choices]
    spoken = [piece for piece in pieces if piece]
    assert len(spoken) > 1
    assert "yellow" in "".join(spoken)


def test_texts_are_embedded(client, model):
    texts = ["A cat sleeps.", "A cat sleeps.", "The engine is on fire."]
    found = client.embeddings.create(model=model, input=texts, encoding_format="float")
    first, again, other = (entry.embedding for entry in found.data)
    assert len(first) == 640
    assert first == pytest.approx(again, abs=1e-3)
    assert first != pytest.approx(other, abs=1e-3)


def test_the_models_are_those_of_the_settings(client, model):
    assert [entry.id for entry in client.models.list()] == [model]
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nobody", messages=COLOURS)
    assert model in caught.value.response.json()["detail"]


def test_the_backends_key_is_nowhere(server, model_server, client, model):
    client.chat.completions.create(model=model, messages=COLOURS, max_tokens=1)
    key = model_server.api_key.encode()
    written = [path for path in server.data.rglob("*") if path.is_file()]
    assert any(path.name == "outlast.db" for path in written)
    assert not [path for path in [*written, server.log] if key in path.read_bytes()]
