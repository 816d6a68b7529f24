"""Every hot query walks an index that gives its order: nothing is scanned, nothing is sorted."""

from itertools import product

import apsw.ext
import pytest

from outlast.operations.states import State
from outlast.store.migrations import migrations
from outlast.store.port import Count, Query, View
from outlast.store.sqlite import (
    catalog,
    chores,
    claiming,
    counting,
    creating,
    history,
    tombstones,
)
from outlast.store.sqlite import transaction as transaction_module
from outlast.store.sqlite.bulk import select_sql, update_sql
from outlast.store.sqlite.connections import connect, create_file
from outlast.store.sqlite.lists import find_sql
from outlast.store.sqlite.migrate import FOLDER, migrate

FILTERS = {
    "states": (frozenset(), frozenset({State.FAILED}), frozenset({State.FAILED, State.RUNNING})),
    "kinds": (frozenset(), frozenset({"a"}), frozenset({"a", "b"})),
    "labels": ({}, {"k": "v"}, {"k": "v", "l": "w"}),
    "resource_type": (None, "database"),
    "resource_id": (None, "r1"),
    "project": (None, "p1"),
    "parent_id": (None, "p"),
}
ASKED = ("SCAN json_each", "SCAN waiting")
"""Names that a statement was given, and what it found of them so far."""
KINDS = frozenset({"a", "b"})
STATEMENTS = {
    "get": select_sql(creating.SELECT, 1),
    "get several": select_sql(creating.SELECT, 4),
    "update": update_sql(("state",), 1),
    "update several": update_sql(("state", "revision"), 4),
    "alias": creating.BY_ALIAS,
    "idempotency key": creating.BY_IDEMPOTENCY_KEY,
    "look for claims": claiming.look_sql(3),
    "candidates of a kind": claiming.candidates_sql(1),
    "candidates of kinds": claiming.candidates_sql(3),
    "who waits": claiming.WAITING,
    "running of tenants": claiming.TENANT_RUNNING,
    "running of a kind": claiming.KIND_RUNNING,
    "rate": claiming._NEXT_AT,
    "due": claiming.DUE,
    "running under a key": claiming.KEY_IS_RUNNING,
    "parked": transaction_module._NEXT_PARKED,
    "documents": transaction_module._DOCUMENT,
    "renew": chores._RENEW,
    "look for chores": chores._LOOK,
    "expired leases": chores.EXPIRED_LEASES,
    "passed deadlines": chores.PASSED_DEADLINES,
    "look for expired": chores._LOOK_EXPIRED,
    "expired": chores.EXPIRED_OPERATIONS,
    "tombstone by id": tombstones.BY_ID,
    "tombstone by alias": tombstones.BY_ALIAS,
    "look for old tombstones": tombstones.LOOK,
    "bury": tombstones.BURY,
    "old tombstones": tombstones.PRUNE,
    "events": history.EVENTS,
    "log": history.LOG,
    "end of a log": history._LOG_END,
    "audit of a tenant": history.AUDIT_OF_TENANT,
    "audit": history.AUDIT,
    "resource by id": catalog._BY_ID,
    "resource by name": catalog._BY_NAME,
    "resources": catalog.find_sql("t", "y", {}, None, 5)[0],
    "resources ascending": catalog.find_sql("t", "y", {}, None, 5, after_id="a")[0],
    "resources by field ascending": catalog.find_sql("t", "y", {"a": "1"}, None, 5, after_id="a")[
        0
    ],
    "resources due": catalog.DUE,
    "resources by field": catalog.find_sql("t", "y", {"a": "1"}, None, 5)[0],
    "resources by fields": catalog.find_sql("t", "y", {"a": "1", "b": "2"}, None, 5)[0],
    "count": counting.counters_sql(Count(tenant="t", kinds=KINDS))[0],
    "count of few of a kind": counting.few_sql(Count(tenant="t", kinds=KINDS))[0],
    "count of few in a state": counting.few_sql(Count(tenant="t", states=frozenset(State)))[0],
    "count of a resource": counting.resource_sql(Count(tenant="t", kinds=KINDS), 9)[0],
    **{f"delete: {sql}": sql for sql in chores._DELETE_PARTS},
}


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    path = tmp_path_factory.mktemp("plans") / "outlast.db"
    create_file(path)
    connection = connect(path)
    migrate(connection, migrations(FOLDER), 1)
    yield connection
    connection.close()


def plan(connection, sql):
    rows = apsw.ext.query_info(connection, sql, explain_query_plan=True)
    steps, waiting = [], [rows.query_plan]
    while waiting:
        step = waiting.pop()
        steps.append(step.detail)
        waiting.extend(step.sub or ())
    return steps


def faults(connection, sql):
    """The steps that walk or sort a table; what is bound or limited before may be walked."""
    harmless = ("CONSTANT ROW", "VALUES CLAUSE", "SCAN (subquery-", "SCAN m", *ASKED)
    return [
        step
        for step in plan(connection, sql)
        if ("SCAN" in step and not any(words in step for words in harmless))
        or "TEMP B-TREE" in step
    ]


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_neither_scans_nor_sorts(connection, name):
    assert faults(connection, STATEMENTS[name]) == []


def test_no_list_scans_or_sorts(connection):
    statements = {}
    for values in product(*FILTERS.values()):
        filters = dict(zip(FILTERS, values, strict=True))
        sql, _ = find_sql(Query(tenant="t", created_after=5, created_before=9, **filters))
        statements[sql] = filters
    for sql, filters in statements.items():
        assert faults(connection, sql) == [], filters


@pytest.mark.parametrize("view", View)
def test_a_list_of_many_kinds_merges_index_walks(connection, view):
    kinds = frozenset(f"kind{number}" for number in range(20))
    sql, values = find_sql(Query(tenant="t", kinds=kinds, view=view))
    steps = plan(connection, sql)
    assert (
        sum("operations_by_kind (tenant=? AND kind=? AND state=?" in step for step in steps) == 100
    )
    assert len(values) == sql.count("?")


def test_more_kinds_than_can_be_merged_are_still_served(connection):
    kinds = frozenset(f"kind{number}" for number in range(900))
    sql, values = find_sql(Query(tenant="t", kinds=kinds))
    assert faults(connection, sql) == []
    assert connection.execute(sql, values).fetchall() == []
