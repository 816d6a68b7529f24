"""Schedules under real servers: stopped, killed, and two on one database."""

import asyncio
import signal
import time
from pathlib import Path

import msgspec
import postgres_server
import pytest
from live_server import LiveServer

from outlast.client import NewSchedule
from outlast.operations.kind import CatalogWrite
from outlast.operations.model import SECOND
from outlast.operations.schedules import SCHEDULE
from outlast.store.postgres import PostgresStore
from outlast.store.sqlite import SqliteStore

pytestmark = pytest.mark.acceptance

HOUR = 3600
MANY = 120
KINDS = {"PYTHONPATH": str(Path(__file__).parents[1] / "client")}


def make_server(folder, *, database=None, workers=0):
    folder.mkdir(exist_ok=True)
    environment = dict(KINDS)
    if database is not None:
        environment |= {"OUTLAST_DATABASE": database, "OUTLAST_DATA_IS_SHARED": "true"}
    arguments = ["--kinds", "client_kinds", "--workers", workers]
    return LiveServer(folder, environment=environment, arguments=arguments)


def let_hours_pass(make_store, hours=5):
    """All schedules have been due for hours: as if nobody had looked since."""

    async def write():
        store = make_store()
        await store.open()
        now = store.operations.now()
        writes = [
            CatalogWrite(
                type=SCHEDULE,
                id=one.id,
                name=one.name,
                document=one.document,
                fields=one.fields,
                due_at=now - hours * HOUR * SECOND,
            )
            for one in await store.catalog.find("default", SCHEDULE, limit=1000)
        ]
        await store.catalog.write("default", writes)
        await store.close()

    asyncio.run(write())


def make_many(client, count):
    wish = NewSchedule(name="", kind="count", spec={}, every_seconds=HOUR)
    for number in range(count):
        client.schedules.create(msgspec.structs.replace(wish, name=f"s{number}"))


def until(condition, seconds=60):
    ends_at = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.02)
    return found


def all_made(client, rounds=1):
    """What each schedule has made, once every one is due in the future and has made so many."""

    def look():
        made = {one.id: [] for one in client.schedules.list()}
        for operation in client.list():
            made[operation.labels["schedule"]].append(operation.id)
        is_done = all(len(ids) >= rounds for ids in made.values())
        return (list(client.schedules.list()), made) if is_done else None

    return until(look)


def test_what_was_missed_while_the_server_was_down_is_made_up_for_once(tmp_path):
    server = make_server(tmp_path)
    server.start()
    try:
        with server.client() as client:
            make_many(client, 3)
        server.stop()
        let_hours_pass(lambda: SqliteStore(server.data / "outlast.db"))
        server.start()
        with server.client() as client:
            schedules, made = all_made(client)
            assert [len(ids) for ids in made.values()] == [1, 1, 1]
            assert all(made[one.id] == [one.operation_id] for one in schedules)
            assert all(one.last_due_at < one.created_at < one.next_at for one in schedules)
        server.stop()
        # Nobody has run them: they are alive when the next instant comes.
        let_hours_pass(lambda: SqliteStore(server.data / "outlast.db"))
        server.start()
        with server.client() as client:
            skipped = lambda: all(one.last_skipped_at for one in client.schedules.list())  # noqa: E731
            until(skipped)
            assert sum(1 for _ in client.list()) == 3
    finally:
        server.stop()


def test_a_server_that_is_killed_in_the_middle_loses_nothing_and_makes_nothing_twice(tmp_path):
    server = make_server(tmp_path)
    server.start()
    try:
        with server.client() as client:
            make_many(client, MANY)
        server.stop()
        let_hours_pass(lambda: SqliteStore(server.data / "outlast.db"))
        for _ in range(2):
            server.start()
            with server.client() as client:
                until(lambda: next(client.list(limit=1), None))
                server.process.signal(signal.SIGKILL)
            server.stop()
        server.start()
        with server.client() as client:
            schedules, made = all_made(client)
            assert len(schedules) == MANY
            assert all(made[one.id] == [one.operation_id] for one in schedules)
    finally:
        server.stop()


def test_two_servers_on_one_database_make_each_operation_once(tmp_path):
    database = postgres_server.new_database_now()
    servers = [make_server(tmp_path / name, database=database, workers=2) for name in "ab"]
    try:
        for server in servers:
            server.start()
        with servers[0].client() as client:
            make_many(client, 20)
            for rounds in (1, 2):
                let_hours_pass(lambda: PostgresStore(database))
                schedules, made = all_made(client, rounds)
                assert {len(ids) for ids in made.values()} == {rounds}
                assert all(made[one.id][0] == one.operation_id for one in schedules)
                until(lambda: all(one.is_terminal for one in client.list()))
    finally:
        for server in servers:
            if hasattr(server, "process"):
                server.stop()
