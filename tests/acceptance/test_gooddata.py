"""The GoodData door of the program itself, asked by the rules of the official client."""

import asyncio
import time
import uuid

import httpx
import pytest
from live_server import LiveServer
from openapi_spec_validator import OpenAPIV31SpecValidator

pytestmark = pytest.mark.acceptance

BASE = "/api/v1/ailake"
INSTANCES = f"{BASE}/database/instances"
AT_ONCE = 100


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake")
    rows = "\n".join(f"{n},{n % 7}" for n in range(1000))
    (folder / "orders").mkdir()
    (folder / "orders" / "a.csv").write_text(f"id,amount\n{rows}\n")
    server = LiveServer(
        tmp_path_factory.mktemp("gooddata"),
        f'[object_stores.lake]\nurl = "file://{folder}"\n',
        arguments=["--profile", "gooddata=127.0.0.1:0"],
    )
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def lake(server):
    with Lake(server) as lake:
        yield lake


class Lake(httpx.Client):
    """What the official client does: an id of its own, then polls of it until a final status."""

    def __init__(self, server):
        token = {"Authorization": f"Bearer {server.token}"}
        super().__init__(base_url=server.started["profiles"]["gooddata"], headers=token, timeout=60)

    def run(self, method, url, body=None, seconds=60):
        """The operation that a call starts, once it has ended."""
        chosen = str(uuid.uuid4())
        answer = self.request(method, url, json=body, headers={"operation-id": chosen})
        assert (answer.status_code, answer.json()) == (202, {}), answer.text
        assert answer.headers["operation-id"] == chosen
        until = time.monotonic() + seconds
        while True:
            # No 404 is forgiven, not even to the first poll.
            polled = self.get(f"{BASE}/operations/{chosen}")
            assert polled.status_code == 200, polled.text
            operation = polled.json()
            assert operation["id"] == chosen
            if operation["status"] != "pending":
                return operation
            assert time.monotonic() < until, operation
            time.sleep(0.05)

    def done(self, method, url, body=None):
        operation = self.run(method, url, body)
        assert operation["status"] == "succeeded", operation
        return operation


def test_every_path_is_answered(lake):
    made = lake.done("POST", INSTANCES, {"name": "sales", "storageIds": ["lake"]})
    assert made["kind"] == "provision-database"
    one = f"{INSTANCES}/sales"
    assert lake.get(one).json()["storageIds"] == ["lake"]
    assert [found["name"] for found in lake.get(INSTANCES).json()["databases"]] == ["sales"]
    second = {"dataSourceId": "s2"}
    assert lake.post(f"{one}/dataSources", json=second).json()["dataSource"]["dataSourceId"] == "s2"
    third = {"dataSourceId": "s3", "oldDataSourceId": "s2", "dataSourceName": "Third"}
    assert lake.patch(f"{one}/dataSource", json=third).json()["dataSourceName"] == "Third"
    assert lake.delete(f"{one}/dataSources/sales").json() == {"dataSourceId": "sales"}
    sources = lake.get(f"{one}/dataSources").json()["dataSources"]
    assert [source["dataSourceId"] for source in sources] == ["s3"]
    table = {"tableName": "orders", "pathPrefix": "orders", "sourceStorageName": "lake"}
    assert lake.done("POST", f"{one}/pipeTables", table)["kind"] == "create-pipe-table"
    [shown] = lake.get(f"{one}/pipeTables").json()["pipeTables"]
    assert [column["name"] for column in shown["columns"]] == ["id", "amount"]
    assert lake.get(f"{one}/pipeTables/orders").json()["pollingIntervalSeconds"] > 0
    analysed = lake.done("POST", f"{one}/analyzeStatistics", {"tableNames": ["orders"]})
    assert analysed["kind"] == "analyze-statistics"
    assert lake.done("DELETE", f"{one}/pipeTables/orders")["kind"] == "delete-pipe-table"
    for spelling in ("object-storages", "objectStorages"):
        [storage] = lake.get(f"{BASE}/{spelling}").json()["storages"]
        assert storage["storageId"] == "lake"
    [service] = [
        found["serviceId"]
        for found in lake.get(f"{BASE}/services").json()["services"]
        if found["name"] == "databases"
    ]
    assert lake.get(f"{BASE}/services/{service}/status").json()["status"]["databases"] == {
        "ready": 1
    }
    command = f"{BASE}/services/{service}/commands/describe/run"
    described = lake.done("POST", command, {"payload": {"database": "sales"}})
    assert described["kind"] == "run-service-command"
    assert lake.done("DELETE", one)["kind"] == "deprovision-database"
    assert lake.get(one).status_code == 404
    OpenAPIV31SpecValidator(lake.get("/openapi.json").json()).validate()


def test_what_fails_says_why_and_leaves_nothing(lake):
    lake.done("POST", INSTANCES, {"name": "empty", "storageIds": ["lake"]})
    table = {"tableName": "late", "pathPrefix": "no-such-prefix", "sourceStorageName": "lake"}
    failed = lake.run("POST", f"{INSTANCES}/empty/pipeTables", table)
    assert failed["status"] == "failed"
    assert failed["error"].keys() == {"title", "status", "detail"}
    assert lake.get(f"{INSTANCES}/empty/pipeTables/late").status_code == 404
    lake.done("DELETE", f"{INSTANCES}/empty")


async def at_once(server, method, url, body=None):
    """The statuses of a hundred equal calls, and the operations that were started."""
    token = {"Authorization": f"Bearer {server.token}"}
    base = server.started["profiles"]["gooddata"]
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=base, headers=token, timeout=60, limits=limits) as http:
        answers = await asyncio.gather(
            *(http.request(method, url, json=body) for _ in range(AT_ONCE))
        )
    refused = [answer.json() for answer in answers if answer.status_code != 202]
    assert all(problem["detail"] and problem["traceId"] for problem in refused)
    statuses = [answer.status_code for answer in answers]
    started = [one.headers["operation-id"] for one in answers if one.status_code == 202]
    return statuses, started


def test_of_a_hundred_that_want_a_name_one_has_it_and_of_a_hundred_that_end_it_one_does(
    server, lake
):
    for _ in range(2):
        body = {"name": "wanted", "storageIds": []}
        statuses, [winner] = asyncio.run(at_once(server, "POST", INSTANCES, body))
        assert sorted(statuses) == [202] + [409] * (AT_ONCE - 1)
        wait_for(lake, winner)
        [shown] = lake.get(INSTANCES).json()["databases"]
        assert shown["name"] == "wanted"
        statuses, [winner] = asyncio.run(at_once(server, "DELETE", f"{INSTANCES}/wanted"))
        # Whoever comes after the end finds nothing; before it, that it is under way.
        assert set(statuses) <= {202, 404, 409}
        wait_for(lake, winner)
        assert lake.get(INSTANCES).json()["databases"] == []
    with server.http() as http:
        found = http.get("/v1/operations", params={"state": ["pending", "running"]}).json()
        assert found["operations"] == []


def wait_for(lake, id):
    until = time.monotonic() + 30
    while lake.get(f"{BASE}/operations/{id}").json()["status"] == "pending":
        assert time.monotonic() < until
        time.sleep(0.05)
