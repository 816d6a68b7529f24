import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from real_server import RealServer


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests that do not stop it."""
    running = RealServer(tmp_path_factory.mktemp("client-server"))
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def own_server(tmp_path):
    """A server that a test may stop and start."""
    running = RealServer(tmp_path)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def client(server):
    with server.client() as made:
        yield made
