"""Makes what a child wrote a version: its files become objects, and the catalog names them."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from outlast.engine.preparing import TenantCatalog
from outlast.operations import documents
from outlast.operations.errors import Conflict, Invalid, NotFound, ResourceExists
from outlast.operations.kind import Catalog, CatalogWrite, Resource
from outlast.operations.model import SECOND
from outlast.resources.datasets import model
from outlast.resources.datasets.model import (
    AliasDocument,
    DatasetDocument,
    NewVersion,
    Part,
    VersionDocument,
)
from outlast.resources.intake import open_plain
from outlast.resources.objects import ObjectStore
from outlast.resources.publication import Publication
from outlast.store.port import CatalogStore

DAY: Final = 86_400 * SECOND
_CHUNK_BYTES: Final = 1024 * 1024


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes a version. A dataset that is made for it belongs to `project`."""

    tenant: str
    created_by: str
    operation_id: str | None = None
    project: str | None = None


class Publisher:
    """Publishes the output of operations. The worker calls it before it records the success.

    `spool` is a folder of the server's own, on the file system of a local object store.
    """

    def __init__(
        self,
        catalog: CatalogStore,
        objects: ObjectStore,
        *,
        now: Callable[[], int],
        spool: Path,
        temporary_days: float,
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._now = now
        self._spool = spool
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._temporary_days = temporary_days

    async def publish(self, publication: Publication) -> Sequence[CatalogWrite]:
        """Store the files that an encoded NewVersion names; the writes that publish them.

        The writes belong into the transaction that records the success. Where that transaction is
        refused with RevisionMismatch or ResourceExists, somebody else was faster: call again, until
        this itself raises. Raises Conflict for what cannot be published, ResourceExists for a
        version's name that is taken.
        """
        wish: NewVersion = publication.read(NewVersion, "the new version")
        try:
            model.check_manifest(wish.manifest)
        except Invalid as error:
            raise Conflict(f"the new version is malformed: {error}") from error
        if wish.is_temporary and wish.dataset != publication.operation_id:
            raise Conflict("a temporary dataset bears the id of its operation")
        author = Author(
            tenant=publication.tenant,
            created_by=publication.created_by,
            operation_id=publication.operation_id,
            project=publication.project,
        )
        return await self.publish_version(author, wish, publication.workdir)

    async def publish_version(
        self,
        author: Author,
        wish: NewVersion,
        workdir: Path,
        made_as: DatasetDocument | None = None,
    ) -> Sequence[CatalogWrite]:
        """As `publish`, for a wish that was checked. A dataset that is not there is `made_as`."""
        if wish.manifest.version != wish.version:
            raise Conflict(
                f"the manifest is that of version {wish.manifest.version}, not of {wish.version}"
            )
        if len(wish.files) != len(wish.manifest.parts):
            raise Conflict(
                f"{len(wish.files)} files are named for {len(wish.manifest.parts)} parts"
            )
        catalog = TenantCatalog(self._catalog, author.tenant)
        expire_at = self._now() + int(self._temporary_days * DAY)
        # Looked at before any byte is copied, so that a name that is taken costs nothing.
        await plan_writes(catalog, author, wish, expire_at, made_as)
        for file, part in zip(wish.files, wish.manifest.parts, strict=True):
            await self._store_part(author.tenant, workdir, file, part)
        key = model.manifest_key(author.tenant, wish.version)
        if not await self._objects.touch(key):
            await self._objects.put_bytes(key, documents.canonical(wish.manifest))
        return await plan_writes(catalog, author, wish, expire_at, made_as)

    async def _store_part(self, tenant: str, workdir: Path, file: str, part: Part) -> None:
        """Touch or store one part, having read its bytes once, from a file that cannot change."""
        key = model.part_key(tenant, part.sha256)
        is_stored = await self._objects.touch(key)
        copy = None if is_stored else self._spool / f"part-{secrets.token_hex(16)}"
        try:
            await asyncio.to_thread(_take_in, workdir, file, part, copy)
            if copy is not None:
                await self._objects.put_file(key, copy, move=True)
        finally:
            if copy is not None:
                await asyncio.to_thread(copy.unlink, missing_ok=True)


async def plan_writes(
    catalog: Catalog,
    author: Author,
    wish: NewVersion,
    expire_at: int,
    made_as: DatasetDocument | None = None,
) -> list[CatalogWrite]:
    """The writes that make a manifest the current version of a dataset, as the catalog stands.

    Each expects what was read, so that a lost race is refused and no version is lost.
    """
    found = await catalog.get(model.DATASET, wish.dataset)
    if found is None and wish.must_exist:
        raise NotFound(f"dataset {wish.dataset!r} was deleted meanwhile")
    dataset = _known(found) if found is not None else made_as or _new(author, wish)
    dataset_id = found.id if found is not None else model.check_dataset_id(wish.dataset)
    if wish.version_name is not None:
        await check_alias_is_free(catalog, dataset_id, wish.version_name)
    earlier = None
    if found is not None:
        earlier = await catalog.get(model.VERSION, model.version_ref(dataset_id, wish.version))
    number = dataset.version_count + (1 if earlier is None else 0)
    dataset = msgspec.structs.replace(
        dataset,
        current_version=wish.version,
        version_count=number,
        columns=wish.manifest.columns,
        required=wish.required,
        origin=wish.origin or ("operation" if author.operation_id else "upload"),
    )
    if dataset.is_temporary:
        dataset = msgspec.structs.replace(dataset, expire_at=expire_at)
    writes = [write_dataset(dataset_id, dataset, found, wish.dataset)]
    version_write = _version_write(dataset_id, number, author, wish, earlier)
    if version_write is not None:
        writes.append(version_write)
    if wish.version_name is not None:
        writes.append(_alias_write(dataset_id, wish.version_name, wish.version))
    return writes


async def check_alias_is_free(catalog: Catalog, dataset_id: str, name: str) -> None:
    """Raise ResourceExists if a version of the dataset has this name."""
    model.check_version_name(name)
    if await catalog.get(model.ALIAS, model.alias_ref(dataset_id, name)) is not None:
        raise ResourceExists(
            f"dataset {dataset_id} has a version named {name!r} already",
            field_errors={"version_name": "is taken"},
        )


def write_dataset(
    dataset_id: str, dataset: DatasetDocument, found: Resource | None, name: str
) -> CatalogWrite:
    """The write of a dataset's document, if it is still as it was found."""
    fields = {"temporary": "true"} if dataset.is_temporary else {}
    if dataset.project is not None:
        fields["project"] = dataset.project
    # Whose it is to make the first version matters until there is one.
    if found is not None and dataset.current_version is None and model.OWNER in found.fields:
        fields[model.OWNER] = found.fields[model.OWNER]
    return CatalogWrite(
        type=model.DATASET,
        id=dataset_id,
        name=name if found is None else found.name,
        document=documents.encode(dataset),
        fields=fields,
        expected_revision=0 if found is None else found.revision,
    )


def _known(found: Resource) -> DatasetDocument:
    return msgspec.json.decode(found.document, type=DatasetDocument)


def _new(author: Author, wish: NewVersion) -> DatasetDocument:
    return DatasetDocument(
        created_by=author.created_by, is_temporary=wish.is_temporary, project=author.project
    )


def _version_write(
    dataset_id: str, number: int, author: Author, wish: NewVersion, earlier: Resource | None
) -> CatalogWrite | None:
    """The write of a version that is new, or gets its first name; None if it stands as it is."""
    if earlier is None:
        document = VersionDocument(
            dataset=dataset_id,
            manifest=wish.manifest,
            created_by=author.created_by,
            name=wish.version_name,
            operation_id=author.operation_id,
        )
        return CatalogWrite(
            type=model.VERSION,
            id=model.numbered_id(dataset_id, number),
            name=model.version_ref(dataset_id, wish.version),
            document=documents.encode(document),
            fields={"dataset": dataset_id},
            expected_revision=0,
        )
    document = msgspec.json.decode(earlier.document, type=VersionDocument)
    if wish.version_name is None or document.name is not None:
        return None
    return CatalogWrite(
        type=model.VERSION,
        id=earlier.id,
        name=earlier.name,
        document=documents.encode(msgspec.structs.replace(document, name=wish.version_name)),
        fields=earlier.fields,
        expected_revision=earlier.revision,
    )


def _alias_write(dataset_id: str, name: str, version: str) -> CatalogWrite:
    return CatalogWrite(
        type=model.ALIAS,
        id=model.alias_ref(dataset_id, name),
        name=model.alias_ref(dataset_id, name),
        document=documents.encode(AliasDocument(version=version)),
        fields={"dataset": dataset_id},
        expected_revision=0,
    )


def _take_in(workdir: Path, name: str, part: Part, copy: Path | None) -> None:
    """Read a file that a hostile child left, into `copy` unless None. Raises Conflict.

    What is hashed is what is stored: the child's own file is never used again.
    """
    with open_plain(workdir, name) as source:
        if os.fstat(source.fileno()).st_size != part.bytes:
            raise Conflict(f"file {name!r} does not have the {part.bytes} bytes of the manifest")
        digest = hashlib.sha256()
        if copy is None:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
        else:
            with copy.open("xb") as target:
                copy.chmod(0o600)
                left = part.bytes
                while left and (chunk := source.read(min(left, _CHUNK_BYTES))):
                    digest.update(chunk)
                    target.write(chunk)
                    left -= len(chunk)
        if digest.hexdigest() != part.sha256:
            raise Conflict(f"file {name!r} does not have the hash of the manifest")
