"""Every hot query on PostgreSQL reads about as many rows as it returns, of twenty thousand."""

import asyncio
import json
from itertools import product

import asyncpg
import pytest
from postgres_server import new_database

from outlast.operations import ids
from outlast.operations.model import SECOND
from outlast.operations.states import State
from outlast.store.migrations import migrations
from outlast.store.port import Count, Query, View
from outlast.store.postgres import (
    catalog,
    chores,
    claiming,
    counting,
    creating,
    history,
    lists,
    pruning,
    tombstones,
)
from outlast.store.postgres import operations as operations_module
from outlast.store.postgres.migrate import FOLDER, migrate
from outlast.store.postgres.transaction import _LOCK_MANY
from outlast.store.rows import RESOURCE_COLUMNS

ROWS = 20_000
BACKLOG = 10_000
READ_MAX = 200
NOW = 1_800_000_000 * SECOND
STATES = ("succeeded",) * 95 + ("failed",) * 2 + ("cancelled", "pending", "running")
COLUMNS = (
    *("id", "tenant", "created_by", "kind", "kind_version", "revision", "event_count"),
    *("created_at", "updated_at", "available_at", "attempt", "attempts_max", "priority"),
    *("retention_seconds", "state", "spec", "alias", "idempotency_key", "project"),
    *("resource_type", "resource_id", "parent_id", "lease_token", "lease_expires_at"),
    *("deadline_at", "expire_at", "readiness"),
)
FILTERS = {
    "states": (frozenset(), frozenset({State.FAILED}), frozenset({State.CANCELLED, State.RUNNING})),
    "kinds": (frozenset(), frozenset({"k1"}), frozenset({"k1", "k2"})),
    "labels": ({}, {"team": "t3"}),
    "resource_id": (None, "r7"),
    "project": (None, "p5"),
    "parent_id": (None, "a parent"),
}
ONE_FILTER = {
    "none": {},
    "state": {"states": frozenset({State.FAILED})},
    "kind": {"kinds": frozenset({"k1"})},
    "state and kind": {"states": frozenset({State.SUCCEEDED}), "kinds": frozenset({"k1"})},
    "resource": {"resource_id": "r7"},
    "project": {"project": "p5"},
    "label": {"labels": {"team": "t3"}},
}


def found(*wanted):
    sql, values = catalog.find_sql(*wanted)
    return (sql, *values)


def counting_of(**filters):
    return Count(tenant="acme", **filters)


R7 = ("database", "r7")
RARE = frozenset({State.CANCELLED, State.RUNNING})
A, B = ids.make_id(NOW + 7 * SECOND, 7), ids.make_id(NOW + 8 * SECOND, 8)
STATEMENTS = {
    "get": (operations_module._BY_IDS, [A, B]),
    "get by alias": (operations_module._BY_ALIASES, "acme", ["a7", "a9"]),
    "lock": (_LOCK_MANY, [A, B]),
    "idempotency key": (creating.BY_IDEMPOTENCY_KEY, "acme", "i7"),
    "waiting": (claiming.WAITING, ["k1", "k2"], "", 100),
    "candidates": (claiming.CANDIDATES, ["acme"], ["k3"], [5], [], 5),
    "candidates of a backlog": (claiming.CANDIDATES, ["acme"], ["backlog"], [25], [], 25),
    "look for claims": (claiming.LOOK, NOW, ["k1", "k2"]),
    "expired leases": (chores.EXPIRED_LEASES, NOW, 5),
    "passed deadlines": (chores.PASSED_DEADLINES, NOW, 5),
    "look for chores": (chores.MAY_REAP, NOW),
    "expired": (pruning.EXPIRED, 2 * NOW, 0, 100),
    "tombstone": (tombstones.FIND, "acme", A),
    "tombstone by alias": (tombstones.FIND, "acme", "a7"),
    "look for old tombstones": (tombstones.LOOK, NOW),
    "bury": (tombstones.BURY, [A, B], NOW),
    "old tombstones": (tombstones.PRUNE, 2 * NOW, 50),
    "events": (history.EVENTS, A, 0, 500),
    "log": (history.LOG, A, 0, 500),
    "delete events": (chores._DELETE_PARTS[0], [A, B]),
    "delete logs": (chores._DELETE_PARTS[1], [A, B]),
    "delete": (chores._DELETE, [A, B]),
    "delete labels": (chores._DELETE_LABELS, ["acme"], ["team"], ["t3"], [A]),
    "count": counting.counters_sql(counting_of()),
    "count of a kind": counting.counters_sql(counting_of(kinds=frozenset({"k1"}))),
    "count of few": counting.few_sql(counting_of(states=RARE, resource=("database", "none"))),
    "count of a resource": counting.resource_sql(counting_of(resource=R7), 20),
    "look for counts": (counting.ARE_MANY, counting.DELTAS_MAX),
    "resource": (catalog._EITHER, "acme", "dataset", "d7"),
    "resources": found("acme", "dataset", {}, None, 50),
    "resources by field": found("acme", "dataset", {"team": "t3"}, None, 50),
}


def operation(number):
    is_backlog = number >= ROWS
    state = "pending" if is_backlog else STATES[number % len(STATES)]
    kind = "backlog" if is_backlog else f"k{number % 10}"
    at = NOW + number * SECOND
    is_pending, is_running = state == "pending", state == "running"
    tenant = "acme" if number % 2 or is_backlog else f"tenant{number % 50}"
    return (
        *(ids.make_id(at, number), tenant, "ada", kind, "1", 3, 3, at, at, at, 1, 3, 0, 60),
        *(state, b"{}", f"a{number}", f"i{number}", f"p{number % 100}", "database"),
        *(f"r{number % 200}", None, f"{number:016x}" if is_running else None),
        *(NOW + at if is_running else None, NOW + at if is_pending else None),
        *(None if is_pending or is_running else at, 1 if is_pending else None),
    )


async def fill(connection):
    operations = [operation(number) for number in range(ROWS + BACKLOG)]
    ended = operations[:ROWS]
    labels = [(row[1], "team", f"t{number % 200}", row[0]) for number, row in enumerate(ended)]
    events = [(row[0], 1, 1, "submitted", NOW, 1, "ada") for row in ended]
    logs = [(row[0], 1, NOW, 1, "text", 4) for row in ended]
    resources = [
        ("acme", "dataset", f"d{number}", f"n{number}", b"{}", 1, NOW, NOW)
        for number in range(ROWS)
    ]
    fields = [
        ("acme", "dataset", "team", f"t{number % 20}", f"d{number}") for number in range(ROWS)
    ]
    stones = [(f"{row[0]}-", row[1], row[16], row[3], NOW) for row in ended]
    rows = {"labels": labels, "events": events, "logs": logs, "resources": resources}
    rows |= {"tombstones": stones}
    columns = {
        "events": ("operation_id", "number", "revision", "type", "at", "attempt", "actor"),
        "resources": RESOURCE_COLUMNS[:8],
    }
    await connection.copy_records_to_table("operations", records=operations, columns=COLUMNS)
    for table, records in {**rows, "resource_fields": fields}.items():
        await connection.copy_records_to_table(table, records=records, columns=columns.get(table))
    await connection.execute("VACUUM ANALYZE")


@pytest.fixture(scope="module")
def url():
    return asyncio.run(filled_database())


async def filled_database():
    url = await new_database()
    connection = await asyncpg.connect(url)
    try:
        await migrate(connection, migrations(FOLDER), NOW)
        await fill(connection)
    finally:
        await connection.close()
    return url


@pytest.fixture
async def connection(url):
    settings = {"plan_cache_mode": "force_custom_plan", "jit": "off"}
    connection = await asyncpg.connect(url, server_settings=settings)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def scans(connection, sql, values):
    """Each scan of its plan: the node's type, and how many rows were fetched from there."""
    [[told]] = await connection.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *values)
    found, nodes = [], [json.loads(told)[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        if "Relation Name" in node or "Index Name" in node:
            fetched = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            fetched += node.get("Rows Removed by Index Recheck", 0)
            found.append((node["Node Type"], fetched * node["Actual Loops"]))
    return found


async def rows_read(connection, sql, values):
    return sum(fetched for _, fetched in await scans(connection, sql, values))


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_reads_few_rows(connection, name):
    sql, *values = STATEMENTS[name]
    assert await rows_read(connection, sql, values) <= READ_MAX


@pytest.mark.parametrize("name", ONE_FILTER)
async def test_a_list_reads_few_rows(connection, name):
    for view in View:
        sql, values = lists.find_sql(Query(tenant="acme", limit=20, view=view, **ONE_FILTER[name]))
        assert await rows_read(connection, sql, values) <= READ_MAX


async def test_no_list_walks_a_table(connection):
    for combination in product(*FILTERS.values()):
        filters = dict(zip(FILTERS, combination, strict=True))
        sql, values = lists.find_sql(Query(tenant="acme", limit=20, **filters))
        walked = [kind for kind, _ in await scans(connection, sql, values) if kind == "Seq Scan"]
        assert walked == [], filters


async def test_every_hot_table_says_when_it_is_vacuumed(connection):
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        " AND NOT coalesce(reloptions::text, '') LIKE '%autovacuum_vacuum_scale_factor%'"
    )
    assert {name for (name,) in rows} <= {"schema_migrations", "rates"}
