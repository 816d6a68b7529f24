"""The port of resources."""
# ruff: noqa: S608  statements are put together from constants; values are always bound

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from outlast.operations.errors import OutlastError
from outlast.operations.kind import CatalogWrite, Resource
from outlast.store.port import AuditEntry
from outlast.store.postgres.reading import Reader
from outlast.store.postgres.transaction import Connection, Transaction
from outlast.store.postgres.writer import Writer, first
from outlast.store.rows import RESOURCE_COLUMNS, fields_to_row, resource_from_row
from outlast.store.writes import decide_write

_COLUMNS: Final = ", ".join(RESOURCE_COLUMNS)
_BY_ID: Final = f"SELECT {_COLUMNS} FROM resources WHERE tenant = $1 AND type = $2 AND id = $3"
_BY_NAME: Final = (
    f"SELECT {_COLUMNS} FROM resources WHERE tenant = $1 AND type = $2 AND name = $3 AND name <> ''"
)
_EITHER: Final = f"({_BY_ID}) UNION ALL ({_BY_NAME})"
_INSERT: Final = (
    f"INSERT INTO resources ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
)
_UPDATE: Final = (
    "UPDATE resources SET name = $4, document = $5, revision = $6, updated_at = $7, fields = $8,"
    " due_at = $9 WHERE tenant = $1 AND type = $2 AND id = $3"
)
DUE: Final = (
    f"SELECT {_COLUMNS} FROM resources WHERE type = $1 AND due_at <= $2 ORDER BY due_at LIMIT $3"
)
_DELETE: Final = "DELETE FROM resources WHERE tenant = $1 AND type = $2 AND id = $3"
_INSERT_FIELDS: Final = (
    "INSERT INTO resource_fields (tenant, type, id, key, value)"
    " SELECT $1, $2, $3, * FROM unnest($4::text[], $5::text[])"
)
_DELETE_FIELDS: Final = (
    "DELETE FROM resource_fields f USING unnest($4::text[], $5::text[]) AS d(key, value)"
    " WHERE f.tenant = $1 AND f.type = $2 AND f.id = $3 AND f.key = d.key AND f.value = d.value"
)


class Writing(msgspec.Struct, frozen=True):
    """What one caller writes at once."""

    tenant: str
    writes: Sequence[CatalogWrite]
    audit: AuditEntry | None


class PostgresCatalog:
    """Resources in PostgreSQL."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def read(self, tenant: str, type: str, id_or_name: str) -> Resource | None:
        """See CatalogStore."""
        rows = await self._reader.fetch(_EITHER, tenant, type, id_or_name)
        return resource_from_row(tuple(rows[0])) if rows else None

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
        return [resource_from_row(tuple(row)) for row in await self._reader.fetch(sql, *values)]

    async def count(
        self, tenant: str, type: str, *, fields: Mapping[str, str] | None = None, limit: int
    ) -> int:
        """See CatalogStore."""
        sql, values = find_sql(tenant, type, fields or {}, None, limit)
        # Columns of an inner query that nobody asks for are not read.
        [(count,)] = await self._reader.fetch(f"SELECT count(*) FROM ({sql}) c", *values)
        return int(count)

    async def due(self, type: str, now: int, limit: int) -> list[Resource]:
        """See CatalogStore."""
        rows = await self._reader.fetch(DUE, type, now, limit)
        return [resource_from_row(tuple(row)) for row in rows]

    async def write(
        self, tenant: str, writes: Sequence[CatalogWrite], audit: AuditEntry | None = None
    ) -> list[Resource]:
        """See CatalogStore."""
        if not writes and audit is None:
            return []
        written: list[Resource] = first(
            await self._writer.submit(_write_each, [Writing(tenant, writes, audit)])
        )
        return written


def find_sql(
    tenant: str,
    type_: str,
    fields: Mapping[str, str],
    before_id: str | None,
    limit: int,
    *,
    after_id: str | None = None,
) -> tuple[str, list[Any]]:
    """The list of resources as SQL: one field leads through its index, the others are looked up."""
    values: list[Any] = [tenant, type_, limit]
    order = "DESC" if after_id is None else "ASC"
    span = ""
    for sign, end in (("<", before_id), (">", after_id)):
        if end is not None:
            values.append(end)
            span += f" AND p.id {sign} ${len(values)}"
    source, has_fields = "resources", ""
    for place, (key, value) in enumerate(fields.items()):
        values += [key, value]
        has_field = f"key = ${len(values) - 1} AND {{0}}value = ${len(values)}"
        if place == 0:
            source, has_fields = "resource_fields", f" AND p.{has_field.format('p.')}"
        else:
            has_fields += (
                " AND EXISTS (SELECT 1 FROM resource_fields o WHERE o.tenant = p.tenant"
                f" AND o.type = p.type AND o.id = p.id AND o.{has_field.format('o.')})"
            )
    columns = ", ".join(f"r.{name}" for name in RESOURCE_COLUMNS)
    return (
        f"SELECT {columns} FROM (SELECT p.tenant, p.type, p.id FROM {source} p"
        f" WHERE p.tenant = $1 AND p.type = $2{span}{has_fields} ORDER BY p.id {order} LIMIT $3) f"
        " JOIN resources r ON r.tenant = f.tenant AND r.type = f.type AND r.id = f.id"
        f" ORDER BY r.id {order}"
    ), values


async def _write_each(
    transaction: Transaction, members: Sequence[Writing]
) -> list[list[Resource] | OutlastError]:
    answers: list[list[Resource] | OutlastError] = []
    for member in members:
        try:
            answers.append(await write_all(transaction, member.tenant, member.writes))
        except OutlastError as error:
            answers.append(error)
        else:
            transaction.audit(member.tenant, member.audit)
    return answers


async def write_all(
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
    if len(writes) == 1:
        # What is refused is refused before anything is written: there is nothing to take back.
        written = [await _write(transaction, tenant, writes[0], operation_id)]
    else:
        async with transaction.connection.transaction():
            written = [await _write(transaction, tenant, write, operation_id) for write in writes]
    return [resource for resource in written if resource is not None]


async def _write(
    transaction: Transaction, tenant: str, write: CatalogWrite, operation_id: str | None
) -> Resource | None:
    connection = transaction.connection
    old = await _read(connection, f"{_BY_ID} FOR UPDATE", tenant, write.type, write.id)
    namesake = None
    if write.name and write.document is not None and (old is None or old.name != write.name):
        namesake = await _read(connection, _BY_NAME, tenant, write.type, write.name)
    new = decide_write(
        write, old, namesake, tenant=tenant, operation_id=operation_id, now=transaction.now
    )
    if new is not None:
        await _store(connection, old, new)
        return new
    if old is not None:
        await _drop_fields(connection, old)
        await connection.execute(_DELETE, tenant, write.type, write.id)
    return old


async def _store(connection: Connection, old: Resource | None, new: Resource) -> None:
    fields = fields_to_row(new)
    key = (new.tenant, new.type, new.id)
    if old is None:
        stamps = (new.revision, new.created_at, new.updated_at)
        row = (new.name, new.document, *stamps, fields, new.due_at)
        await connection.execute(_INSERT, *key, *row)
    else:
        changes = (new.name, new.document, new.revision, new.updated_at, fields, new.due_at)
        await connection.execute(_UPDATE, *key, *changes)
        if old.fields == new.fields:
            return
        await _drop_fields(connection, old)
    if new.fields:
        await connection.execute(_INSERT_FIELDS, *key, list(new.fields), list(new.fields.values()))


async def _drop_fields(connection: Connection, resource: Resource) -> None:
    if resource.fields:
        key = (resource.tenant, resource.type, resource.id)
        fields = resource.fields
        await connection.execute(_DELETE_FIELDS, *key, list(fields), list(fields.values()))


async def _read(connection: Connection, sql: str, *values: str) -> Resource | None:
    row = await connection.fetchrow(sql, *values)
    return None if row is None else resource_from_row(tuple(row))
