"""A live server with a profile of the dialect and two models, and the official client on it."""

import pytest
from chats_for_tests import PARROT, TwoModels
from datarobot_client import Client
from vectors import MODEL

SETTINGS = """
[backends.double]
url = "{url}"
models = ["{embedding}", "{chat}"]
[outbound]
allow = ["127.0.0.1"]
"""


@pytest.fixture(scope="session")
def models():
    with TwoModels() as double:
        yield double


@pytest.fixture(scope="session")
def server(serve, models):
    settings = SETTINGS.format(url=models.url, embedding=MODEL, chat=PARROT)
    return serve(settings, arguments=["--profile", "datarobot=127.0.0.1:0"])


@pytest.fixture(scope="session")
def client():
    made = Client()
    yield made
    made.close()


@pytest.fixture
def connected(client, server):
    """The client, at the profile's own address."""
    endpoint = server.started["profiles"]["datarobot"] + "/api/v2"
    client("connect", endpoint=endpoint, token=server.token, token_type="Token")
    return client
