import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "client"))

from real_server import RealServer, free_port

from outlast.cli import main


class Ended:
    """What a command printed, and how it left."""

    def __init__(self, code, output, errors):
        self.code = code
        self.output = output
        self.errors = errors


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests that do not stop it."""
    running = RealServer(tmp_path_factory.mktemp("cli-server"))
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
def bare(monkeypatch, tmp_path, capsys):
    """Runs the program in this process, without a server to talk to."""
    for name in [name for name in os.environ if name.startswith("OUTLAST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OUTLAST_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(one) for one in arguments])
        printed = capsys.readouterr()
        return Ended(int(left.value.code), printed.out, printed.err)

    return run


@pytest.fixture
def run(bare, server, monkeypatch):
    """Runs the program in this process, as the admin of the session's server."""
    monkeypatch.setenv("OUTLAST_URL", server.url)
    monkeypatch.setenv("OUTLAST_DATA", str(server.data))
    return bare
