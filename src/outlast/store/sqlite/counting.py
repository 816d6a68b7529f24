"""How many operations there are: by counters that triggers keep, or by a short walk."""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from typing import Any

import apsw

from outlast.store.port import Count
from outlast.store.sqlite.connections import fetch_one


def count(connection: apsw.Connection, wanted: Count) -> int | None:
    """See OperationStore.count."""
    found: int
    walked, found = fetch_one(connection, *count_sql(wanted))
    return None if walked > wanted.walked_max else found


def count_sql(wanted: Count) -> tuple[str, list[Any]]:
    """SQL for how many operations are looked at one by one, and how many there are."""
    checks, values = "", list[Any]()
    for column, allowed in (("kind", sorted(wanted.kinds)), ("state", sorted(wanted.states))):
        if allowed:
            checks += f" AND {column} IN ({', '.join('?' * len(allowed))})"
            values += allowed
    if wanted.resource is None:
        sql = f"SELECT 0, coalesce(sum(count), 0) FROM counts WHERE tenant = ?{checks}"
        return sql, [wanted.tenant, *values]
    type_, id_ = wanted.resource
    return (
        f"SELECT count(*), count(*) FILTER (WHERE resource_type = ?{checks}) FROM"
        " (SELECT resource_type, kind, state FROM operations INDEXED BY operations_by_resource"
        " WHERE tenant = ? AND resource_id = ? LIMIT ?)"
    ), [type_, *values, wanted.tenant, id_, wanted.walked_max + 1]
