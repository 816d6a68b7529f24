"""A connection, a network by it, and a cluster in that: folders, a database and processes."""

import os
import sqlite3
import time
from contextlib import closing

import pytest
from process_host import ProcessHost

PASSWORD = "between-the-nodes"


@pytest.fixture
def host(tmp_path):
    host = ProcessHost(tmp_path).start()
    try:
        yield host
    finally:
        host.stop()


class Door:
    """LakeSail's door, as a client of it goes about."""

    def __init__(self, http):
        self.http = http

    def ask(self, method, path, **body):
        answer = self.http.request(method, f"/infra/{path}", json=body or None)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def done(self, method, path, **body):
        """What was asked for, once its operation has succeeded; and that operation."""
        asked = self.ask(method, path, **body)
        return asked, self.ended(asked["operationId"])

    def ended(self, operation_id):
        """An operation that has succeeded."""
        until = time.monotonic() + 60
        while True:
            operation = self.http.get(f"/operations/{operation_id}").json()
            if operation["status"] not in {"pending", "running"}:
                assert operation["status"] == "succeeded", operation
                return operation
            assert time.monotonic() < until, operation
            time.sleep(0.1)


@pytest.fixture
def door(installation):
    with installation.http("/lakesail/api/v1") as http:
        yield Door(http)


def test_a_cluster_in_a_network_is_made_healed_and_removed(door, host, tmp_path, installation):
    root = str(tmp_path / "lake")
    (tmp_path / "lake").mkdir()
    connection, _ = door.done(
        "POST", "connections", name="here", provider="local", providerConfig={"folder": root}
    )
    of_connection = {"connectionId": connection["id"], "config": {"root": root}}
    network, _ = door.done("POST", "networks", name="net", region="here", **of_connection)
    of_connection["config"] |= {"process_host": host.address, "nodes": 3}
    _, made = door.done(
        "POST",
        "clusters",
        name="main",
        networkId=network["id"],
        secretVariables={"password": PASSWORD},
        **of_connection,
    )
    assert (made["operation"], made["progress"]["summary"]["succeeded"]) == ("provision-cluster", 6)
    first = host.running()
    assert sorted(first) == ["main-0", "main-1", "main-2"]
    told = (tmp_path / "lake" / "main" / "cluster.json").read_text()
    assert network["id"] in told
    assert "10.0.1.0/24" in told
    with closing(sqlite3.connect(tmp_path / "lake" / "main" / "catalogue.sqlite")) as database:
        assert database.execute("select count(*) from nodes").fetchone() == (0,)
    shown = door.ask("GET", "clusters/main")
    assert (shown["externalStatus"], shown["networkId"]) == ("active", network["id"])
    assert PASSWORD not in str(shown)
    assert "nodes" in shown["iacOutputs"]

    refused = door.http.delete("/infra/connections/here")
    assert refused.status_code == 409, refused.text

    # A node dies, and somebody writes into the database: both are seen, and mended.
    os.kill(first["main-1"], 9)
    with closing(sqlite3.connect(tmp_path / "lake" / "main" / "catalogue.sqlite")) as database:
        database.execute("drop table schemas")
    drift = door.ended(door.ask("POST", "clusters/main/check-drift")["id"])
    changed = {one["address"]: one["change"] for one in drift["result"]["resources"]}
    assert changed == {
        "workshop_database.catalogue": "update",
        "workshop_process.node[1]": "delete",
    }
    _, healed = door.done("PATCH", "clusters/main", config={"nodes": 3})
    assert healed["progress"]["summary"]["succeeded"] == 2
    second = host.running()
    assert {name for name in second if second[name] != first[name]} == {"main-1"}

    door.done("DELETE", "clusters/main")
    assert host.running() == {}
    door.done("DELETE", "networks/net")
    assert list((tmp_path / "lake").iterdir()) == []
    door.ask("DELETE", "connections/here")
    assert PASSWORD not in installation.log.read_text()
