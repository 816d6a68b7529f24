"""Makes what an operation left a file that outlives it."""

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import Conflict, Invalid
from outlast.operations.kind import CatalogWrite
from outlast.resources.files import model
from outlast.resources.files.model import FileDocument, FilePart, NewFile
from outlast.resources.intake import copy_plain
from outlast.resources.objects import ObjectStore
from outlast.resources.publication import Publication
from outlast.resources.spooling import disk_errors
from outlast.resources.staging import operation_file_key
from outlast.store.port import CatalogStore

_STORED_AT_ONCE: Final = 8


class FilePublisher:
    """Publishes files of operations. The worker calls it before it records their end.

    `spool` is a folder of the server's own, on the file system of a local object store.
    """

    def __init__(self, catalog: CatalogStore, objects: ObjectStore, *, spool: Path) -> None:
        self._catalog = catalog
        self._objects = objects
        self._spool = spool
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def publish(self, publication: Publication) -> Sequence[CatalogWrite]:
        """Store what an encoded NewFile names; the write that publishes it.

        It belongs into the transaction that records the operation's end. To call it again does no
        harm. Raises Conflict for what cannot be published.
        """
        wish: NewFile = publication.read(NewFile, "the new file")
        try:
            model.check_file(name=wish.name, purpose=wish.purpose, project=wish.project)
            model.check_parts(wish.files)
        except Invalid as error:
            raise Conflict(f"the new file is malformed: {error}") from error
        tenant, operation_id = publication.tenant, publication.operation_id
        id = model.published_id(operation_id, wish.purpose)
        # Looked at before any byte is copied. A second one for the purpose is refused at the end.
        if await TenantCatalog(self._catalog, tenant).get(model.FILE, id) is not None:
            raise Conflict(f"the operation has published a file for {wish.purpose!r} already")
        keys = model.new_part_keys(tenant, id, len(wish.files))
        parts = await self._store_all(operation_id, wish, keys, publication.workdir)
        published = FileDocument(
            name=wish.name,
            purpose=wish.purpose,
            parts=parts,
            created_by=publication.created_by,
            project=wish.project or publication.project,
            operation_id=operation_id,
            is_partial=wish.is_partial,
        )
        return [model.write_file(id, published)]

    async def _store_all(
        self, operation_id: str, wish: NewFile, keys: Sequence[str], workdir: Path
    ) -> tuple[FilePart, ...]:
        """Store the parts, a few at once: most of the time a disk or a bucket is waited for."""
        limit = asyncio.Semaphore(_STORED_AT_ONCE)

        async def store(name: str, key: str) -> FilePart:
            async with limit:
                if wish.is_from_operation:
                    await self._objects.copy(operation_file_key(operation_id, name), key)
                else:
                    await self._take_in(workdir, name, key)
                stored = await self._objects.find(key)
            if stored is None:
                raise Conflict(f"file {name!r} went while it was published")
            return FilePart(key=key, bytes=stored.bytes)

        tasks = [asyncio.create_task(store(*one)) for one in zip(wish.files, keys, strict=True)]
        try:
            return tuple(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_in(self, workdir: Path, name: str, key: str) -> None:
        copy = self._spool / f"file-{secrets.token_hex(16)}"
        try:
            with disk_errors():
                await asyncio.to_thread(copy_plain, workdir, name, copy)
            await self._objects.put_file(key, copy, move=True)
        finally:
            await asyncio.to_thread(copy.unlink, missing_ok=True)
