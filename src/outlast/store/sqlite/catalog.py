"""The port of resources."""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections.abc import Mapping, Sequence
from typing import Any, Final

import apsw

from outlast.operations.errors import OutlastError
from outlast.operations.kind import CatalogWrite, Resource
from outlast.store.port import AuditEntry
from outlast.store.rows import RESOURCE_COLUMNS, fields_to_row, resource_from_row
from outlast.store.sqlite.connections import Readers, fetch_all, fetch_one
from outlast.store.sqlite.transaction import Transaction
from outlast.store.sqlite.writer import Writer
from outlast.store.writes import decide_write

_COLUMNS: Final = ", ".join(RESOURCE_COLUMNS)
_BY_ID: Final = f"SELECT {_COLUMNS} FROM resources WHERE tenant = ? AND type = ? AND id = ?"
_BY_NAME: Final = (
    f"SELECT {_COLUMNS} FROM resources WHERE tenant = ? AND type = ? AND name = ? AND name <> ''"
)
_INSERT: Final = f"INSERT INTO resources ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE: Final = (
    "UPDATE resources SET name = ?, document = ?, revision = ?, updated_at = ?, fields = ?,"
    " due_at = ? WHERE tenant = ? AND type = ? AND id = ?"
)
_DELETE: Final = "DELETE FROM resources WHERE tenant = ? AND type = ? AND id = ?"
_INSERT_FIELD: Final = (
    "INSERT INTO resource_fields (tenant, type, key, value, id) VALUES (?, ?, ?, ?, ?)"
)
_DELETE_FIELD: Final = (
    "DELETE FROM resource_fields WHERE tenant = ? AND type = ? AND key = ? AND value = ? AND id = ?"
)
DUE: Final = (
    f"SELECT {_COLUMNS} FROM resources WHERE type = ? AND due_at <= ? ORDER BY due_at LIMIT ?"
)
_AFTER_ALL_IDS: Final = "\U0010ffff"


class SqliteCatalog:
    """Resources in SQLite."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def read(self, tenant: str, type: str, id_or_name: str) -> Resource | None:
        """See CatalogStore. Read on the calling thread: every request reads its token so."""
        return self._readers.read_here(_read_either, tenant, type, id_or_name)

    async def find(
        self,
        tenant: str,
        type: str,
        *,
        fields: Mapping[str, str] | None = None,
        before_id: str | None = None,
        after_id: str | None = None,
        limit: int = 100,
    ) -> list[Resource]:
        """See CatalogStore."""
        sql, values = find_sql(tenant, type, fields or {}, before_id, limit, after_id=after_id)
        rows = await self._readers.read(fetch_all, sql, values)
        return [resource_from_row(row) for row in rows]

    async def count(
        self, tenant: str, type: str, *, fields: Mapping[str, str] | None = None, limit: int
    ) -> int:
        """See CatalogStore."""
        sql, values = find_sql(tenant, type, fields or {}, None, limit)
        # Columns of an inner query that nobody asks for are not read.
        [(count,)] = await self._readers.read(fetch_all, f"SELECT count(*) FROM ({sql})", values)
        return int(count)

    async def due(self, type: str, now: int, limit: int) -> list[Resource]:
        """See CatalogStore."""
        rows = await self._readers.read(fetch_all, DUE, (type, now, limit))
        return [resource_from_row(row) for row in rows]

    async def write(
        self, tenant: str, writes: Sequence[CatalogWrite], audit: AuditEntry | None = None
    ) -> list[Resource]:
        """See CatalogStore."""
        if not writes and audit is None:
            return []

        def write(transaction: Transaction, member: Sequence[CatalogWrite]) -> list[Resource]:
            written = write_all(transaction, tenant, member)
            transaction.audit(tenant, audit)
            return written

        (answer,) = await self._writer.submit(write, [writes])
        if isinstance(answer, OutlastError):
            raise answer
        resources: list[Resource] = answer
        return resources


def find_sql(
    tenant: str,
    type_: str,
    fields: Mapping[str, str],
    before_id: str | None,
    limit: int,
    *,
    after_id: str | None = None,
) -> tuple[str, tuple[Any, ...]]:
    """The list of resources as SQL: one field leads through its index, the others are looked up."""
    before = _AFTER_ALL_IDS if before_id is None else before_id
    # Without a lower bound the plan stays what it was: a range of the index has one end.
    above, order = ("", "DESC") if after_id is None else (" AND {}id > ?", "ASC")
    after = () if after_id is None else (after_id,)
    if not fields:
        sql = (
            f"SELECT {_COLUMNS} FROM resources WHERE tenant = ? AND type = ? AND id < ?"
            f"{above.format('')} ORDER BY id {order} LIMIT ?"
        )
        return sql, (tenant, type_, before, *after, limit)
    (key, value), *others = fields.items()
    columns = ", ".join(f"r.{name}" for name in RESOURCE_COLUMNS)
    also = " AND EXISTS (SELECT 1 FROM resource_fields o WHERE o.tenant = f.tenant"
    also += " AND o.type = f.type AND o.key = ? AND o.value = ? AND o.id = f.id)"
    sql = (
        f"SELECT {columns} FROM resource_fields f CROSS JOIN resources r"
        " ON r.tenant = f.tenant AND r.type = f.type AND r.id = f.id"
        " WHERE f.tenant = ? AND f.type = ? AND f.key = ? AND f.value = ? AND f.id < ?"
        f"{above.format('f.')}{also * len(others)} ORDER BY f.id {order} LIMIT ?"
    )
    pairs = [text for pair in others for text in pair]
    return sql, (tenant, type_, key, value, before, *after, *pairs, limit)


def write_all(
    transaction: Transaction,
    tenant: str,
    writes: Sequence[CatalogWrite],
    operation_id: str | None = None,
) -> list[Resource]:
    """All of the writes, in order, or none: ResourceExists, RevisionMismatch, Invalid.

    `operation_id` is whose those are that are owned. The answer has the resources written, and
    those deleted as they last were.
    """
    if not writes:
        return []
    connection = transaction.connection
    connection.execute("SAVEPOINT writes")
    try:
        written = [_write(transaction, tenant, write, operation_id) for write in writes]
    except OutlastError:
        connection.execute("ROLLBACK TO writes")
        connection.execute("RELEASE writes")
        raise
    connection.execute("RELEASE writes")
    return [resource for resource in written if resource is not None]


def _write(
    transaction: Transaction, tenant: str, write: CatalogWrite, operation_id: str | None
) -> Resource | None:
    connection = transaction.connection
    old = _read(connection, _BY_ID, tenant, write.type, write.id)
    namesake = _read(connection, _BY_NAME, tenant, write.type, write.name)
    new = decide_write(
        write, old, namesake, tenant=tenant, operation_id=operation_id, now=transaction.now
    )
    if new is not None:
        _store(connection, old, new)
        return new
    if old is not None:
        _drop_fields(connection, old)
        connection.execute(_DELETE, (tenant, write.type, write.id))
    return old


def _store(connection: apsw.Connection, old: Resource | None, new: Resource) -> None:
    fields = fields_to_row(new)
    key = (new.tenant, new.type, new.id)
    if old is None:
        stamps = (new.revision, new.created_at, new.updated_at)
        connection.execute(_INSERT, (*key, new.name, new.document, *stamps, fields, new.due_at))
    else:
        changes = (new.name, new.document, new.revision, new.updated_at, fields, new.due_at)
        connection.execute(_UPDATE, (*changes, *key))
        if old.fields == new.fields:
            return
        _drop_fields(connection, old)
    for name, value in new.fields.items():
        connection.execute(_INSERT_FIELD, (new.tenant, new.type, name, value, new.id))


def _drop_fields(connection: apsw.Connection, resource: Resource) -> None:
    for name, value in resource.fields.items():
        connection.execute(
            _DELETE_FIELD, (resource.tenant, resource.type, name, value, resource.id)
        )


def _read_either(
    connection: apsw.Connection, tenant: str, type_: str, id_or_name: str
) -> Resource | None:
    by_id = _read(connection, _BY_ID, tenant, type_, id_or_name)
    return by_id or _read(connection, _BY_NAME, tenant, type_, id_or_name)


def _read(connection: apsw.Connection, sql: str, *values: str) -> Resource | None:
    row = fetch_one(connection, sql, values)
    return None if row is None else resource_from_row(row)
