"""Real servers that all heavy tests share. Each is on the loopback interface and ends with them."""

import pytest
from live_server import LiveServer
from s3_server import S3Server
from weights_server import WeightsServer


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """A real S3 server with the bucket `outlast`."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def model_server(tmp_path_factory):
    """A real inference server with real weights: chat and embeddings."""
    server = WeightsServer(tmp_path_factory.mktemp("model"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Starts `outlast serve` with settings and an environment; it ends with the session."""
    started = []

    def start(settings="", *, environment=(), arguments=()):
        folder = tmp_path_factory.mktemp("outlast")
        server = LiveServer(folder, settings, environment=environment, arguments=arguments)
        started.append(server)
        return server.start()

    try:
        yield start
    finally:
        for server in started:
            server.stop()
