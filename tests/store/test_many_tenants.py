"""More tenants with work waiting than a claim compares: each has its turn all the same."""

import postgres_server
import pytest

from outlast.operations import transitions
from outlast.operations.model import Submission
from outlast.store.port import Change, Claim, Creation
from outlast.store.postgres import PostgresStore
from outlast.store.postgres import claiming as in_postgres
from outlast.store.sqlite import SqliteStore
from outlast.store.sqlite import claiming as in_sqlite

KINDS = frozenset({"a", "b"})


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request, tmp_path, monkeypatch):
    for claiming in (in_sqlite, in_postgres):
        monkeypatch.setattr(claiming, "_WAITING_MAX", 3)
    if request.param == "sqlite":
        store = SqliteStore(tmp_path / "outlast.db")
    else:
        store = PostgresStore(await postgres_server.new_database())
    await store.open()
    yield store
    await store.close()


async def create(store, tenant, kind):
    wish = Submission(tenant=tenant, created_by="ada", kind=kind, spec=b"1")
    await store.operations.create([Creation(submission=wish)])


def success(operation):
    token = operation.lease.token
    return Change(
        id=operation.id,
        tenant=None,
        decide=lambda stored, now: transitions.succeed(stored, token, b"1", now),
    )


async def serve(store, count):
    """Whose operations so many claims of one each take, when each ends at once."""
    last, served = "", []
    for _ in range(count):
        wish = Claim(
            kinds=KINDS,
            worker="w",
            limit=1,
            lease_seconds=60,
            after_tenant=last,
        )
        for operation in await store.operations.claim(wish):
            last = operation.tenant
            served.append(last)
            await store.operations.apply([success(operation)])
    return served


async def test_each_has_its_turn(store):
    tenants = [f"t{number}" for number in range(8)]
    for tenant in tenants * 2:
        await create(store, tenant, "a")
        await create(store, tenant, "b")
    assert await serve(store, 8) == tenants
    assert sorted(await serve(store, 24)) == sorted(tenants * 3)
