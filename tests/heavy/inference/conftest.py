"""A live server whose one backend serves real weights, and the official client on it."""

import time

import openai
import pytest

ENDED = {"succeeded", "failed", "cancelled"}
SETTINGS = """
[backends.local]
url = "{url}"
models = ["{model}"]
api_key_variable = "TESTS_MODEL_KEY"
concurrency = 4

[outbound]
allow = ["{host}"]

[recovery]
drain_seconds = 1
"""


@pytest.fixture(scope="module")
def server(serve, model_server):
    settings = SETTINGS.format(
        url=model_server.url, model=model_server.model, host=model_server.host
    )
    return serve(settings, environment={"TESTS_MODEL_KEY": model_server.api_key})


@pytest.fixture(scope="module")
def client(server):
    """The official client, as it is: nothing but the address says that this is not the vendor."""
    with openai.OpenAI(base_url=f"{server.url}/nebius/v1", api_key=server.token) as client:
        yield client


@pytest.fixture(scope="module")
def model(model_server):
    return model_server.model


@pytest.fixture(scope="module")
def end_of(client):
    """An operation when it has ended, asked for as a client of the vendor asks."""

    def wait(operation, seconds=120):
        path = f"/operations/{operation['id']}"
        end = time.monotonic() + seconds
        while operation["status"] not in ENDED:
            assert time.monotonic() < end, operation
            time.sleep(0.2)
            operation = client.get(path, cast_to=object)
        errors = client.get(f"{path}/errors", cast_to=object)["data"]
        assert operation["status"] == "succeeded", (operation, errors)
        return operation

    return wait
