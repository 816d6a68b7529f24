"""Lists of operations: each kind of filter is led by the index that was made for it.

What leads gives the operations in descending order of id, so that a page reads about as many rows
as it returns; the filters that do not lead are checked on the rows. Several states or kinds are a
merge of one index walk for each.
"""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from itertools import product
from typing import Any, Final

from outlast.operations import ids
from outlast.operations.states import State
from outlast.store.port import Page, Query, View
from outlast.store.postgres.reading import Reader
from outlast.store.rows import COLUMNS, from_row

_MILLISECOND: Final = 1_000
_LEFT_OUT: Final = frozenset({"spec", "checkpoint", "result"})
_WALKS_MAX: Final = 200
_LEADERS: Final = ("parent_id", "resource_id", "labels", "project", "resource_type")
"""What can lead, the most selective first."""


async def find(reader: Reader, query: Query) -> Page:
    """One page."""
    sql, values = find_sql(query)
    rows = await reader.fetch(sql, *values)
    operations = [from_row(tuple(row)) for row in rows[: query.limit]]
    return Page(operations, operations[-1].id if len(rows) > query.limit else None)


class _Values(list[Any]):
    def put(self, value: Any) -> str:
        """A placeholder for the value."""
        self.append(value)
        return f"${len(self)}"


def find_sql(query: Query) -> tuple[str, list[Any]]:
    """The query as SQL for one row more than a page."""
    values = _Values()
    tenant = values.put(query.tenant)
    # A walk goes to the end of the page, since all of the page may be its own.
    end = values.put(query.offset + query.limit + 1)
    leader = next((name for name in _LEADERS if getattr(query, name)), "state")
    source, id_column = "operations o", "o.id"
    if leader == "labels":
        source, id_column = "labels l JOIN operations o ON o.id = l.operation_id", "l.operation_id"
        ((key, value), *_) = query.labels.items()
        walks = [
            f"l.tenant = {tenant} AND l.key = {values.put(key)} AND l.value = {values.put(value)}"
        ]
    elif leader == "state":
        walks = _state_walks(query, tenant, values)
    else:
        walks = [f"o.tenant = {tenant} AND o.{leader} = {values.put(getattr(query, leader))}"]
    rest = _span(query, id_column, values) + _checks(query, leader, "o.kind = " in walks[0], values)
    picks = [
        f"(SELECT {id_column} AS id FROM {source} WHERE {walk}{rest}"
        f" ORDER BY {id_column} DESC LIMIT {end})"
        for walk in walks
    ]
    # Only ids are merged: a row passes through every walk that it is compared with.
    merged = picks[0] if len(picks) == 1 else f"({' UNION ALL '.join(picks)})"
    window = f"LIMIT {values.put(query.limit + 1)} OFFSET {values.put(query.offset)}"
    return (
        f"SELECT {_columns(query.view)} FROM (SELECT id FROM {merged} w ORDER BY id DESC"
        f" {window}) m JOIN operations o ON o.id = m.id ORDER BY o.id DESC"
    ), list(values)


def _state_walks(query: Query, tenant: str, values: _Values) -> list[str]:
    states = [state.value for state in State if state in query.states or not query.states]
    if 0 < len(query.kinds) * len(states) <= _WALKS_MAX:
        return [
            f"o.tenant = {tenant} AND o.kind = {values.put(kind)} AND o.state = {values.put(state)}"
            for kind, state in product(sorted(query.kinds), states)
        ]
    return [f"o.tenant = {tenant} AND o.state = {values.put(state)}" for state in states]


def _span(query: Query, id_column: str, values: _Values) -> str:
    """The instants of creation and the page token as a range of ids."""
    sql = ""
    if query.before_id is not None:
        sql += f" AND {id_column} < {values.put(query.before_id)}"
    # Ids count milliseconds: the range finds the rows, the comparison is exact.
    if query.created_after is not None:
        sql += f" AND {id_column} >= {values.put(ids.first_id_at(query.created_after))}"
        sql += f" AND o.created_at >= {values.put(query.created_after)}"
    if query.created_before is not None:
        end = ids.first_id_at(query.created_before + _MILLISECOND - 1)
        sql += f" AND {id_column} < {values.put(end)}"
        sql += f" AND o.created_at < {values.put(query.created_before)}"
    return sql


def _checks(query: Query, leader: str, are_kinds_led: bool, values: _Values) -> str:  # noqa: FBT001
    """The filters that do not lead."""
    sql = ""
    for name in _LEADERS:
        value = getattr(query, name)
        if value and name not in {leader, "labels"}:
            sql += f" AND o.{name} = {values.put(value)}"
    for key, value in list(query.labels.items())[leader == "labels" :]:
        sql += (
            " AND EXISTS (SELECT 1 FROM labels x WHERE x.tenant = o.tenant"
            f" AND x.key = {values.put(key)} AND x.value = {values.put(value)}"
            " AND x.operation_id = o.id)"
        )
    if query.states and leader != "state":
        sql += f" AND o.state = ANY({values.put(list(query.states))}::text[])"
    if query.kinds and not are_kinds_led:
        sql += f" AND o.kind = ANY({values.put(list(query.kinds))}::text[])"
    return sql


def _columns(view: View) -> str:
    return ", ".join(
        f"NULL::bytea AS {name}" if view is View.SUMMARY and name in _LEFT_OUT else f"o.{name}"
        for name in COLUMNS
    )
