"""Makes what an operation built a vector database that outlives it."""

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import Conflict
from outlast.operations.kind import CatalogWrite
from outlast.resources.intake import Intake, copy_hashed
from outlast.resources.objects import ObjectStore
from outlast.resources.publication import Publication
from outlast.resources.spooling import disk_errors
from outlast.resources.vector_databases import model
from outlast.resources.vector_databases.model import NewVectorDatabase
from outlast.store.port import CatalogStore

TAG: Final = "vector_database"


class VectorDatabasePublisher:
    """Publishes vector databases. The worker calls it before it records a success.

    `spool` is a folder of the server's own, on the file system of a local object store.
    """

    def __init__(self, catalog: CatalogStore, objects: ObjectStore, *, spool: Path) -> None:
        self._catalog = catalog
        self._objects = objects
        self._spool = spool
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def publish(self, publication: Publication) -> Sequence[CatalogWrite]:
        """The writes for an encoded NewVectorDatabase; they belong to the success's transaction.

        To call it again does no harm. Raises Conflict for what cannot be published.
        """
        wish: NewVectorDatabase = publication.read(NewVectorDatabase, "the new vector database")
        catalog = TenantCatalog(self._catalog, publication.tenant)
        found = await catalog.get(model.VECTOR_DATABASE, wish.vector_database)
        if found is None or found.fields.get(model.OWNER) != publication.operation_id:
            raise Conflict(f"the vector database {wish.vector_database!r} is no more")
        taken = await self._store(found.tenant, found.id, wish.file, publication.workdir)
        built = replace(
            model.document_of(found),
            operation_id=publication.operation_id,
            created_by=publication.created_by,
            files={model.CHUNKS_FILE: model.file_key(found.tenant, found.id, taken.sha256)},
            bytes=taken.bytes,
            documents=wish.documents,
            chunks=wish.chunks,
            dimensions=wish.dimensions,
        )
        return [model.change(found, built)]

    async def _store(self, tenant: str, id: str, name: str, workdir: Path) -> Intake:
        copy = self._spool / f"vectors-{secrets.token_hex(16)}"
        try:
            with disk_errors():
                taken = await asyncio.to_thread(copy_hashed, workdir, name, copy)
            key = model.file_key(tenant, id, taken.sha256)
            if not await self._objects.touch(key):
                await self._objects.put_file(key, copy, move=True)
        finally:
            await asyncio.to_thread(copy.unlink, missing_ok=True)
        return taken
