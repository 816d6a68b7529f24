"""A live server with a profile of the dialect, and releases of the official client on it."""

import shutil

import pyarrow as pa
import pytest
from official_client import Sdk, model
from pyarrow import parquet

SEED = "1.66.0"
SETTINGS = """
[object_stores.lake]
url = "file://{folder}"
[services.quiet]
commands = {{}}
"""


@pytest.fixture(scope="session")
def lake(tmp_path_factory):
    """The folder that is the object store `lake`."""
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="session")
def server(serve, lake):
    """A server with a profile of the dialect."""
    return serve(SETTINGS.format(folder=lake), arguments=["--profile", "gooddata=127.0.0.1:0"])


@pytest.fixture(scope="session")
def client_of(server):
    """Starts a client of a release, at the profile's address or at another URL."""
    started = []

    def start(version, url=None, token=None):
        url = url or server.started["profiles"]["gooddata"]
        started.append(Lake(version, url, token or server.token))
        return started[-1]

    yield start
    for sdk in started:
        sdk.close()


@pytest.fixture(scope="session")
def sdk(client_of):
    """The client of the published page's generation."""
    return client_of(SEED)


class Lake(Sdk):
    """A client that waits for what it starts, as theirs does."""

    def started(self, call, /, **arguments):
        """What a call has started, once it has ended. Raises as the client does where it failed."""
        _, status, headers = self.api(call, **arguments)
        assert status == 202
        return self.wait(headers["operation-id"])

    def wait(self, operation_id):
        return self.lake("wait_for_operation", operation_id=operation_id, poll_s=0.2)

    def provision(self, name, /, operation_id=None, **fields):
        chosen = {} if operation_id is None else {"operation_id": operation_id}
        request = model("ProvisionDatabaseInstanceRequest", name=name, storage_ids=["lake"])
        return self.started(
            "provision_ai_lake_database_instance",
            provision_database_instance_request=request | fields,
            **chosen,
        )

    def deprovision(self, name):
        return self.started("deprovision_ai_lake_database_instance", instance_id=name)


@pytest.fixture
def orders(lake):
    """Rows under `orders/`, in a file for each day: adds as many as are asked for."""
    written = []

    def write(count):
        first = sum(written)
        written.append(count)
        numbers = list(range(first, first + count))
        table = pa.table({"id": numbers, "amount": [n / 2 for n in numbers]})
        folder = lake / "orders" / f"day=2026-11-{len(written):02}"
        folder.mkdir(parents=True)
        parquet.write_table(table, folder / "part.parquet")

    yield write
    shutil.rmtree(lake / "orders")
