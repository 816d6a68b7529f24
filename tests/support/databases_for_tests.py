"""Databases that are there without having been made."""

import asyncio

import msgspec

from outlast.operations import ids
from outlast.operations.documents import encode
from outlast.operations.kind import CatalogWrite
from outlast.resources.databases import model
from outlast.resources.databases.model import DatabaseDocument, DataSource
from outlast.resources.pipe_tables import model as tables
from outlast.resources.pipe_tables.model import Contents, Definition, PipeTableDocument, TableColumn

MAKER = "06EV0000000000000MKR"
"""The operation that has made them all."""


async def keep_database(store, name, owner=MAKER, *, tenant="default", **fields):
    """Put a database into the catalog, one that `owner` has made or is about to make; its id."""
    # Of two ids from one millisecond either may be the greater.
    await asyncio.sleep(0.002)
    now = store.operations.now()
    id, source_id = (ids.make_id(now, ids.random_bits()) for _ in range(2))
    document = DatabaseDocument(
        engine="duckdb",
        storages=("lake",),
        data_sources=(DataSource(id=source_id, data_source_id=name, name=name),),
        created_by="ada",
        operation_id=MAKER,
        file=model.file_key(tenant, id, "0" * 64),
        bytes=12_288,
    )
    document = msgspec.structs.replace(document, **fields)
    write = CatalogWrite(
        type=model.DATABASE,
        id=id,
        name=name,
        document=encode(document),
        fields={model.OWNER: owner},
    )
    await store.catalog.write(tenant, [write])
    return id


async def keep_pipe_table(store, database, name, **wanted):
    """Put a pipe table into the catalog. One that is called `partitioned` has all that can be."""
    if name == "partitioned":
        wanted = EVERYTHING | wanted
    definition = Definition(**({"storage": "lake", "path_prefix": f"{name}"} | wanted))
    contents = Contents(
        columns=(TableColumn("id", "BIGINT"), TableColumn("day", "VARCHAR(200)")),
        partition_columns=("day",),
        files=4,
        rows=1_000_000,
    )
    document = PipeTableDocument(
        database=database,
        table=name,
        definition=definition,
        created_by="ada",
        operation_id=MAKER,
        contents=contents,
    )
    write = CatalogWrite(
        type=tables.PIPE_TABLE,
        id=tables.pipe_table_id(database, name),
        name=tables.full_name(database, name),
        document=encode(document),
        fields={"database": database, tables.OWNER: MAKER},
    )
    await store.catalog.write("default", [write])


EVERYTHING = {
    "key": tables.Key(type="unique", columns=("id",)),
    "distribution": tables.Distribution(type="hash", columns=("id",), buckets=8),
    "partition": tables.Partition(type="date_trunc", column="day", unit="month"),
    "polling_seconds": 60,
    "table_properties": {"replication_num": "3"},
}
