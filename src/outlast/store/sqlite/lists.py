"""Lists of operations: each kind of filter is led by the index that was made for it.

What leads gives the operations in descending order of id, so that a page reads about as many rows
as it returns; the filters that do not lead are checked on the rows. Several states or kinds are a
merge of one index walk for each.
"""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections.abc import Sequence
from itertools import product
from typing import Any, Final

import apsw

from outlast.operations import ids
from outlast.operations.model import Operation
from outlast.operations.states import State
from outlast.store.port import Page, Query, View
from outlast.store.rows import COLUMNS, from_row
from outlast.store.sqlite.transaction import with_documents

_MILLISECOND: Final = 1_000
_BEFORE_ALL_IDS: Final = ""
_AFTER_ALL_IDS: Final = "~"
_LEFT_OUT: Final = frozenset({"spec", "checkpoint", "result"})
_WALKS_MAX: Final = 200
_LEADERS: Final = (
    ("parent_id", "operations_by_parent"),
    ("resource_id", "operations_by_resource"),
    ("labels", ""),
    ("project", "operations_by_project"),
    ("resource_type", "operations_by_resource_type"),
)
"""What can lead, the most selective first."""


def find(connection: apsw.Connection, query: Query) -> Page:
    """One page."""
    sql, values = find_sql(query)
    rows = connection.execute(sql, values).fetchall()
    page = rows[: query.limit]
    operations = [_operation(connection, row, query.view) for row in page]
    return Page(operations, operations[-1].id if len(rows) > len(page) else None)


def find_sql(query: Query) -> tuple[str, list[Any]]:
    """The query as SQL for one row more than a page."""
    leader = next((name for name, _ in _LEADERS if getattr(query, name)), "state")
    if leader == "labels":
        source = "labels l CROSS JOIN operations o ON o.id = l.operation_id"
        id_column = "l.operation_id"
        (label, *_) = query.labels.items()
        walks = [("l.tenant = ? AND l.key = ? AND l.value = ?", [query.tenant, *label])]
    elif leader == "state":
        index, walks = _state_walks(query)
        source, id_column = f"operations o INDEXED BY {index}", "o.id"
    else:
        source, id_column = f"operations o INDEXED BY {dict(_LEADERS)[leader]}", "o.id"
        walks = [(f"o.tenant = ? AND o.{leader} = ?", [query.tenant, getattr(query, leader)])]
    checks, check_values = _checks(query, leader, "kind = " in walks[0][0])
    span, span_values = _span(query, id_column)
    values = [value for _, own in walks for value in (*own, *span_values, *check_values)]
    values += [query.limit + 1, query.offset]
    conditions = [f"{source} WHERE {condition}{span}{checks}" for condition, _ in walks]
    if len(walks) == 1:
        columns = _columns(query.view, id_column)
        return f"SELECT {columns} FROM {conditions[0]} ORDER BY id DESC LIMIT ? OFFSET ?", values
    # Only ids are merged: a row passes through every walk that it is compared with.
    merged = " UNION ALL ".join(f"SELECT o.id AS id FROM {each}" for each in conditions)
    return (
        f"SELECT {_columns(query.view, 'm.id')} FROM ({merged} ORDER BY id DESC LIMIT ? OFFSET ?) m"
        " CROSS JOIN operations o ON o.id = m.id ORDER BY m.id DESC"
    ), values


def _state_walks(query: Query) -> tuple[str, list[tuple[str, list[Any]]]]:
    states = [state.value for state in State if state in query.states or not query.states]
    if 0 < len(query.kinds) * len(states) <= _WALKS_MAX:
        condition = "o.tenant = ? AND o.kind = ? AND o.state = ?"
        pairs = product(sorted(query.kinds), states)
        return "operations_by_kind", [(condition, [query.tenant, *pair]) for pair in pairs]
    condition = "o.tenant = ? AND o.state = ?"
    return "operations_by_state", [(condition, [query.tenant, state]) for state in states]


def _span(query: Query, id_column: str) -> tuple[str, list[Any]]:
    """The instants of creation and the page token as a range of ids."""
    first, end = _BEFORE_ALL_IDS, query.before_id or _AFTER_ALL_IDS
    sql = ""
    exact: list[int] = []
    if query.created_after is not None:
        first = ids.first_id_at(query.created_after)
        sql += " AND o.created_at >= ?"
        exact.append(query.created_after)
    if query.created_before is not None:
        end = min(end, ids.first_id_at(query.created_before + _MILLISECOND - 1))
        sql += " AND o.created_at < ?"
        exact.append(query.created_before)
    # Ids count milliseconds: the range finds the rows, the comparison is exact.
    return f" AND {id_column} >= ? AND {id_column} < ?{sql}", [first, end, *exact]


def _checks(query: Query, leader: str, are_kinds_led: bool) -> tuple[str, list[Any]]:  # noqa: FBT001
    """The filters that do not lead."""
    sql = ""
    values: list[Any] = []
    for name, _ in _LEADERS:
        value = getattr(query, name)
        if value and name not in {leader, "labels"}:
            sql += f" AND o.{name} = ?"
            values.append(value)
    for key, value in list(query.labels.items())[leader == "labels" :]:
        sql += (
            " AND EXISTS (SELECT 1 FROM labels x WHERE x.tenant = o.tenant AND x.key = ?"
            " AND x.value = ? AND x.operation_id = o.id)"
        )
        values += [key, value]
    if query.states and leader != "state":
        sql += f" AND o.state IN ({', '.join('?' * len(query.states))})"
        values += [state.value for state in query.states]
    if query.kinds and not are_kinds_led:
        sql += f" AND o.kind IN ({', '.join('?' * len(query.kinds))})"
        values += query.kinds
    return sql, values


def _columns(view: View, id_column: str) -> str:
    columns = [f"{id_column} AS id"]
    for name in (*COLUMNS[1:], "apart"):
        is_left_out = view is View.SUMMARY and name in _LEFT_OUT
        columns.append(f"NULL AS {name}" if is_left_out else f"o.{name}")
    return ", ".join(columns)


def _operation(connection: apsw.Connection, row: Sequence[Any], view: View) -> Operation:
    if not row[-1]:
        return from_row(row)
    return from_row(with_documents(connection, row, _LEFT_OUT if view is View.SUMMARY else ()))
