"""An API, two workers and a database, each a host of its own."""

import sys
from pathlib import Path

import namespaces
import pytest
from own_postgres import OwnPostgres

# The chaos harness has an installation of many processes, and kinds that tell what they do.
sys.path.insert(0, str(Path(__file__).parents[2] / "acceptance"))


@pytest.fixture
def network():
    namespaces.check()
    made = namespaces.Network()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def database(network):
    address = network.add("db")
    server = OwnPostgres(host=address, prefix=network.prefix("db"))
    try:
        yield server.start()
    finally:
        server.remove()
