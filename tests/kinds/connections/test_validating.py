"""Whether a connection works is found out at the real thing, and told."""

import asyncpg
import pytest
from lake import ANN, a_lake
from own_postgres import OwnPostgres
from sts_server import GOOD_KEY, StsServer

from outlast.operations.errors import InvalidSpec, OutboundRefused
from outlast.resources.connections import ConnectionChange, Connections
from outlast.settings import ConnectionsSettings, Outbound

KEYS = {"access_key": GOOD_KEY, "secret_key": "a-secret-of-ours"}


class Connecting:
    """Connections of a lake that is at work."""

    def __init__(self, lake):
        self.lake = lake
        self.connections = Connections(lake.engine, lake.foundation.keyring)

    async def create(self, provider, name="it", **fields):
        """A connection that was looked at, and the operation that did."""
        return await self.seen(await self.connections.create(ANN, name, provider, **fields))

    async def update(self, name="it", **change):
        changed = await self.connections.update(ANN, name, ConnectionChange(**change))
        return await self.seen(changed)

    async def seen(self, connection):
        assert connection.status == "validating"
        operation = await self.lake.engine.get(ANN, connection.operation_id)
        operation = await self.lake.ended(operation)
        return await self.connections.get(ANN, connection.id), operation


@pytest.fixture
async def connecting(tmp_path):
    (tmp_path / "allowed").mkdir()
    async with a_lake(
        tmp_path,
        connections=ConnectionsSettings(folders=(tmp_path / "allowed",)),
        outbound=Outbound(allow=("127.0.0.1",)),
    ) as lake:
        await lake.work()
        yield Connecting(lake)


@pytest.fixture(scope="module")
def postgres():
    """A server where `guest` needs a password, and everybody else none."""
    server = OwnPostgres().start()
    rules = server.data / "pg_hba.conf"
    rules.write_text("host all guest all scram-sha-256\n" + rules.read_text())
    try:
        yield server
    finally:
        server.stop()


async def test_a_folder_works_once_it_is_there_and_can_be_written_to(connecting, tmp_path):
    folder = tmp_path / "allowed" / "data"
    missing, operation = await connecting.create("local", settings={"folder": str(folder)})
    assert (missing.status, operation.failure.code) == ("failed", "missing")
    folder.mkdir()
    ready, _ = await connecting.seen(await connecting.connections.validate(ANN, "it"))
    assert (ready.status, ready.identity) == ("ready", {"folder": str(folder)})
    assert ready.validated_at >= ready.created_at
    assert list(folder.iterdir()) == []


async def test_a_folder_elsewhere_is_refused_also_behind_a_link(connecting, tmp_path):
    with pytest.raises(InvalidSpec, match="not below"):
        await connecting.create("local", settings={"folder": str(tmp_path)})
    with pytest.raises(InvalidSpec, match="not below"):
        await connecting.create("local", settings={"folder": f"{tmp_path}/allowed-not"})
    (tmp_path / "allowed" / "link").symlink_to(tmp_path)
    for number, way in enumerate(("link", "../")):
        settings = {"folder": f"{tmp_path}/allowed/{way}"}
        found, operation = await connecting.create("local", f"it-{number}", settings=settings)
        assert (found.status, operation.failure.code) == ("failed", "folder_refused")


async def test_the_keys_of_an_account_are_shown_to_its_own_service(connecting):
    with StsServer() as sts:
        settings = {"endpoint": sts.url}
        ready, operation = await connecting.create(
            "aws", region="eu-north-1", settings=settings, secrets=KEYS
        )
        assert ready.status == "ready", operation.failure
        assert ready.identity == {
            "account": "123456789012",
            "arn": "arn:aws:iam::123456789012:user/ada",
        }
        failed, operation = await connecting.update(secrets={"access_key": "AKIAOTHER"})
        assert (failed.status, operation.failure.code) == ("failed", "access_refused")
        assert "InvalidClientTokenId" in operation.failure.message
        assert "a-secret-of-ours" not in str(operation)
        ready, _ = await connecting.update(secrets={"access_key": GOOD_KEY})
        assert ready.status == "ready"
        sts.answers.append((200, "x" * 70_000))
        failed, operation = await connecting.seen(await connecting.connections.validate(ANN, "it"))
        assert (failed.status, operation.failure.code) == ("failed", "unexpected_answer")


async def test_a_call_that_the_gate_refuses_is_refused_at_once(connecting):
    with pytest.raises(OutboundRefused) as refused:
        await connecting.create(
            "aws", region="eu-north-1", settings={"endpoint": "http://10.1.2.3"}, secrets=KEYS
        )
    assert list(refused.value.field_errors) == ["settings.endpoint"]
    database = {"host": "10.1.2.3", "database": "d", "user": "u"}
    failed, operation = await connecting.create("postgresql", settings=database)
    assert (failed.status, operation.failure.code) == ("failed", "outbound_refused")


async def test_a_database_lets_in_who_knows_the_password(connecting, postgres):
    admin = await asyncpg.connect(postgres.url())
    await admin.execute("CREATE ROLE guest LOGIN PASSWORD 'open-sesame'")
    await admin.fetch("SELECT pg_reload_conf()")
    settings = {"host": "127.0.0.1", "port": str(postgres.port), "database": "postgres"}
    settings |= {"user": "guest"}
    version = await admin.fetchval("SHOW server_version")
    await admin.close()
    ready, operation = await connecting.create(
        "postgresql", settings=settings, secrets={"password": "open-sesame"}
    )
    assert ready.status == "ready", operation.failure
    assert ready.identity == {"version": version, "user": "guest", "database": "postgres"}
    failed, operation = await connecting.update(secrets={"password": "guessed"})
    assert (failed.status, operation.failure.code) == ("failed", "access_refused")
    failed, operation = await connecting.update(
        settings=settings | {"database": "other"}, secrets={"password": "open-sesame"}
    )
    assert (failed.status, operation.failure.code) == ("failed", "missing")


async def test_that_secrets_were_read_stands_in_the_audit_log(connecting):
    with StsServer() as sts:
        found, operation = await connecting.create(
            "aws", region="eu-north-1", settings={"endpoint": sts.url}, secrets=KEYS
        )
    records = await connecting.lake.store.operations.audit("default", None, 50)
    [read] = [record.entry for record in records if record.entry.action == "secret.read"]
    assert read.target == operation.id
    assert read.data["secrets"]["connection/secret_key"] == f"connection:{found.id}/secret_key"
