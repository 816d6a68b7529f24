"""A live server with a profile of the dialect, and each release of the official client on it."""

import pytest
from official_client import Sdk

STORES = """
[object_stores.lake]
url = "file://{folder}"
"""


@pytest.fixture(scope="session")
def lake_folder(tmp_path_factory):
    """The folder that is the object store `lake`."""
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="session")
def server(serve, lake_folder):
    """A server with a profile of the dialect."""
    settings = STORES.format(folder=lake_folder)
    return serve(settings, arguments=["--profile", "gooddata=127.0.0.1:0"])


@pytest.fixture(scope="session")
def client_of(server):
    """Starts a client of a release, at the profile's address or at another URL."""
    started = []

    def start(version, url=None, token=None):
        url = url or server.started["profiles"]["gooddata"]
        started.append(Sdk(version, url, token or server.token))
        return started[-1]

    yield start
    for sdk in started:
        sdk.close()
