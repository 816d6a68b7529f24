"""How many operations there are: by counters that triggers keep, or by a short walk."""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from typing import Any, TypeAlias

import apsw

from outlast.store.port import Count
from outlast.store.sqlite.connections import fetch_one

Statement: TypeAlias = tuple[str, list[Any]]


def count(connection: apsw.Connection, wanted: Count) -> int | None:
    """See OperationStore.count."""
    counted: int
    found: int
    (counted,) = fetch_one(connection, *counters_sql(wanted))
    if wanted.resource is None:
        return counted
    # Whichever are fewer are walked: the resource's operations, or those of the kinds and states.
    most = min(counted, wanted.walked_max)
    walked, found = fetch_one(connection, *resource_sql(wanted, most))
    if walked <= most:
        return found
    if counted > wanted.walked_max:
        return None
    (found,) = fetch_one(connection, *few_sql(wanted))
    return found


def counters_sql(wanted: Count) -> Statement:
    """How many operations there are of the kinds and states."""
    checks, values = _checks(wanted)
    sql = f"SELECT coalesce(sum(count), 0) FROM counts WHERE tenant = ?{checks}"
    return sql, [wanted.tenant, *values]


def few_sql(wanted: Count) -> Statement:
    """How many of the operations of these kinds and states are the resource's."""
    checks, values = _checks(wanted)
    index = "operations_by_kind" if wanted.kinds else "operations_by_state"
    return (
        f"SELECT count(*) FROM operations INDEXED BY {index}"
        f" WHERE tenant = ?{checks} AND resource_type = ? AND resource_id = ?"
    ), [wanted.tenant, *values, *(wanted.resource or ())]


def resource_sql(wanted: Count, most: int) -> Statement:
    """How many of the resource's operations were looked at, and how many of them are wanted.

    One more than `most` is looked at, to tell whether there are more.
    """
    checks, values = _checks(wanted)
    type_, id_ = wanted.resource or ("", "")
    return (
        f"SELECT count(*), count(*) FILTER (WHERE resource_type = ?{checks}) FROM"
        " (SELECT resource_type, kind, state FROM operations INDEXED BY operations_by_resource"
        " WHERE tenant = ? AND resource_id = ? LIMIT ?)"
    ), [type_, *values, wanted.tenant, id_, most + 1]


def _checks(wanted: Count) -> Statement:
    checks, values = "", list[Any]()
    for column, allowed in (("kind", sorted(wanted.kinds)), ("state", sorted(wanted.states))):
        if allowed:
            checks += f" AND {column} IN ({', '.join('?' * len(allowed))})"
            values += allowed
    return checks, values
