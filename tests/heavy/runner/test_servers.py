"""The servers that the other heavy tests rely on, each asked by a client of another make."""

import httpx
import obstore
import openai
import pytest
from obstore.exceptions import PermissionDeniedError
from obstore.store import S3Store


def test_the_s3_server_keeps_objects_and_refuses_strangers(s3_server):
    store = s3_server.store()
    obstore.put(store, "runner/a", b"bytes")
    assert obstore.get(store, "runner/a").bytes() == b"bytes"
    stranger = S3Store(
        "outlast",
        endpoint=s3_server.endpoint,
        region="us-east-1",
        access_key_id=s3_server.access_key,
        secret_access_key="wrong",
        client_options={"allow_http": True},
    )
    with pytest.raises(PermissionDeniedError):
        obstore.get(stranger, "runner/a")


def test_the_model_server_has_real_weights_and_a_key(model_server):
    with openai.OpenAI(base_url=model_server.url, api_key=model_server.api_key) as client:
        said = client.chat.completions.create(
            model=model_server.model,
            messages=[{"role": "user", "content": "The three primary colours are red, blue and"}],
            max_tokens=4,
            temperature=0,
        )
        assert "yellow" in said.choices[0].message.content
        found = client.embeddings.create(model=model_server.model, input=["a cat", "a dog"])
        assert len(found.data) == 2
        assert len(found.data[0].embedding) == 640
    unknown = httpx.post(f"{model_server.url}/chat/completions", json={"messages": []})
    assert unknown.status_code == 401


def test_a_live_server_answers_its_first_token(serve):
    server = serve("[recovery]\ndrain_seconds = 1\n")
    with server.http() as client:
        assert client.get("/v1/kinds").status_code == 200
    assert httpx.get(f"{server.url}/v1/kinds").status_code == 401
