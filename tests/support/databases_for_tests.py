"""Databases that are there without having been made."""

import msgspec

from outlast.operations import ids
from outlast.operations.documents import encode
from outlast.operations.kind import CatalogWrite
from outlast.resources.databases import model
from outlast.resources.databases.model import DatabaseDocument, DataSource

MAKER = "06EV0000000000000MKR"
"""The operation that has made them all."""


async def keep_database(store, name, **fields):
    """Put a database into the catalog; its id."""
    now = store.operations.now()
    id, source_id = (ids.make_id(now, ids.random_bits()) for _ in range(2))
    document = DatabaseDocument(
        engine="duckdb",
        storages=("lake",),
        data_sources=(DataSource(id=source_id, data_source_id=name, name=name),),
        created_by="ada",
        operation_id=MAKER,
        file=model.file_key("default", id, "0" * 64),
        bytes=12_288,
    )
    document = msgspec.structs.replace(document, **fields)
    write = CatalogWrite(
        type=model.DATABASE,
        id=id,
        name=name,
        document=encode(document),
        fields={model.OWNER: document.operation_id or ""},
    )
    await store.catalog.write("default", [write])
    return id
