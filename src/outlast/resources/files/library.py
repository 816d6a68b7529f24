"""What callers do with files: create, find, read, delete.

Who may submit may create files. Deleting one that another member made is for operators.
"""

import contextlib
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.operations import ids
from outlast.operations.errors import InvalidSpec, RevisionMismatch
from outlast.operations.kind import CatalogWrite, Resource
from outlast.operations.model import SECOND
from outlast.resources.files import model
from outlast.resources.files.model import File, FileDocument, FilePart
from outlast.resources.objects import ObjectStore
from outlast.resources.spooling import Spooled, spooled
from outlast.store.port import AuditEntry, Store

PAGE_MAX: Final = 10_000
EXPIRE_SECONDS_MAX: Final = 10 * 366 * 86_400.0


class Files:
    """The files of all tenants; every call is scoped by its principal.

    What is not the principal's, or has expired, is NotFound.
    """

    def __init__(
        self, store: Store, objects: ObjectStore, *, spool: Path, upload_bytes_max: int
    ) -> None:
        self._catalog = store.catalog
        self._now: Callable[[], int] = store.operations.now
        self._objects = objects
        self._spool = spool
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._upload_bytes_max = upload_bytes_max

    async def create(
        self,
        principal: Principal,
        *,
        name: str,
        purpose: str,
        chunks: AsyncIterator[bytes],
        project: str | None = None,
        expire_seconds: float | None = None,
        request_id: str | None = None,
    ) -> File:
        """Store a file; durable on return. Raises InvalidSpec, TooLarge, StoreFull."""
        check_file(name=name, purpose=purpose, project=project, expire_seconds=expire_seconds)
        async with self.receive(principal, chunks) as upload:
            return await self.keep(
                principal,
                upload,
                name=name,
                purpose=purpose,
                project=project,
                expire_seconds=expire_seconds,
                request_id=request_id,
            )

    @contextlib.asynccontextmanager
    async def receive(
        self, principal: Principal, chunks: AsyncIterator[bytes]
    ) -> AsyncIterator[Spooled]:
        """What arrives, on disk, for whoever learns only with the last byte what it is."""
        principal.require(Verb.SUBMIT)
        async with spooled(self._spool, chunks, self._upload_bytes_max) as upload:
            yield upload

    async def keep(
        self,
        principal: Principal,
        upload: Spooled,
        *,
        name: str,
        purpose: str,
        project: str | None = None,
        expire_seconds: float | None = None,
        request_id: str | None = None,
    ) -> File:
        """Make a file of what was received. See `create`."""
        principal.require(Verb.SUBMIT)
        check_file(name=name, purpose=purpose, project=project, expire_seconds=expire_seconds)
        id = ids.make_id(self._now(), ids.random_bits())
        [key] = model.new_part_keys(principal.tenant, id, 1)
        await self._objects.put_file(key, upload.path, move=True)
        expire_at = None
        if expire_seconds is not None:
            expire_at = self._now() + int(expire_seconds * SECOND)
        document = FileDocument(
            name=name,
            purpose=purpose,
            parts=(FilePart(key=key, bytes=upload.bytes),),
            created_by=principal.member,
            project=project,
            expire_at=expire_at,
        )
        audit = self._audit(principal, "file.create", id, request_id)
        writes = [model.write_file(id, document)]
        [resource] = await self._catalog.write(principal.tenant, writes, audit)
        return model.as_file(resource)

    async def find(
        self,
        principal: Principal,
        *,
        purpose: str | None = None,
        project: str | None = None,
        before_id: str | None = None,
        after_id: str | None = None,
        limit: int = 50,
    ) -> list[File]:
        """At most `limit` (1 to 10,000) files, newest first, with ids below `before_id`.

        With `after_id`: oldest first, with ids above it.
        """
        principal.require(Verb.READ)
        if not 1 <= limit <= PAGE_MAX:
            raise InvalidSpec(f"limit must be from 1 to {PAGE_MAX}")
        wanted = {"purpose": purpose, "project": project}
        fields = {name: value for name, value in wanted.items() if value is not None}
        now, files = self._now(), list[File]()
        while len(files) < limit:
            found = await self._catalog.find(
                principal.tenant,
                model.FILE,
                fields=fields,
                before_id=before_id,
                after_id=after_id,
                limit=limit,
            )
            files += [file for file in map(model.as_file, found) if not _is_over(file, now)]
            if len(found) < limit:
                break
            if after_id is None:
                before_id = found[-1].id
            else:
                after_id = found[-1].id
        return files[:limit]

    async def get(self, principal: Principal, id: str) -> File:
        """One file. Raises NotFound."""
        return model.as_file(await self._file(principal, id))

    async def delete(self, principal: Principal, id: str, *, request_id: str | None = None) -> None:
        """Delete a file. Raises NotFound, Forbidden."""
        found = await self._file(principal, id)
        principal.require_over(model.file_document(found).created_by)
        audit = self._audit(principal, "file.delete", found.id, request_id)
        try:
            await self._catalog.write(principal.tenant, [delete_write(found)], audit)
        except RevisionMismatch:
            raise model.no_file(id) from None
        # What is left of it when this fails is garbage, and collected.
        for part in model.file_document(found).parts:
            await self._objects.delete(part.key)

    async def read(self, principal: Principal, id: str) -> AsyncIterator[bytes]:
        """A file's content, chunk by chunk. Raises NotFound before the first."""
        document = model.file_document(await self._file(principal, id))
        for part in document.parts:
            async for chunk in self._objects.read(part.key):
                yield chunk

    async def _file(self, principal: Principal, id: str) -> Resource:
        principal.require(Verb.READ)
        found = await model.find_file(TenantCatalog(self._catalog, principal.tenant), id)
        if _is_over(model.as_file(found), self._now()):
            raise model.no_file(id)
        return found

    def _audit(
        self, principal: Principal, action: str, id: str, request_id: str | None
    ) -> AuditEntry:
        return AuditEntry(actor=principal.member, action=action, target=id, request_id=request_id)


def check_file(
    *, name: str, purpose: str, project: str | None, expire_seconds: float | None
) -> None:
    """Raise InvalidSpec for what no new file may be."""
    model.check_file(name=name, purpose=purpose, project=project)
    if expire_seconds is None:
        return
    if not (math.isfinite(expire_seconds) and 0 < expire_seconds <= EXPIRE_SECONDS_MAX):
        raise InvalidSpec(
            f"a file expires after more than 0 and at most {EXPIRE_SECONDS_MAX:.0f} seconds",
            field_errors={"expire_seconds": "range"},
        )


def delete_write(found: Resource) -> CatalogWrite:
    """The write that deletes a file as it was found."""
    return CatalogWrite(type=model.FILE, id=found.id, expected_revision=found.revision)


def _is_over(file: File, now: int) -> bool:
    return file.expire_at is not None and file.expire_at <= now
