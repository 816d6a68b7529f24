"""Finds datasets and versions by what callers call them: an id, a name, a version, an alias."""

import msgspec

from outlast.operations.errors import NotFound
from outlast.operations.kind import Catalog, Resource
from outlast.resources.datasets import model
from outlast.resources.datasets.model import (
    AliasDocument,
    Dataset,
    DatasetDocument,
    Version,
    VersionDocument,
)

_REF_CHARS_SHOWN = 130


async def find_dataset(catalog: Catalog, ref: str) -> Resource:
    """The dataset with this id or name. Raises NotFound."""
    found = await catalog.get(model.DATASET, ref)
    if found is None:
        raise NotFound(f"there is no dataset {ref[:_REF_CHARS_SHOWN]!r}")
    return found


async def find_version(catalog: Catalog, dataset: Resource, version: str | None) -> Resource:
    """A dataset's version by its content's name or an alias; None: the current one.

    Raises NotFound.
    """
    if version is None:
        version = dataset_document(dataset).current_version
        if version is None:
            raise NotFound(f"dataset {dataset.name!r} has no version yet")
    elif not model.is_version(version):
        alias = await catalog.get(model.ALIAS, model.alias_ref(dataset.id, version))
        if alias is None:
            raise _no_version(dataset, version)
        version = msgspec.json.decode(alias.document, type=AliasDocument).version
    found = await catalog.get(model.VERSION, model.version_ref(dataset.id, version))
    if found is None:
        raise _no_version(dataset, version)
    return found


def _no_version(dataset: Resource, version: str) -> NotFound:
    return NotFound(f"dataset {dataset.name!r} has no version {version[:_REF_CHARS_SHOWN]!r}")


def dataset_document(resource: Resource) -> DatasetDocument:
    """What a dataset's resource says."""
    return msgspec.json.decode(resource.document, type=DatasetDocument)


def version_document(resource: Resource) -> VersionDocument:
    """What a version's resource says."""
    return msgspec.json.decode(resource.document, type=VersionDocument)


def as_dataset(resource: Resource) -> Dataset:
    """A dataset's resource as callers see it."""
    document = dataset_document(resource)
    return Dataset(
        id=resource.id,
        name=resource.name,
        current_version=document.current_version,
        created_at=resource.created_at,
        updated_at=resource.updated_at,
        created_by=document.created_by,
        is_temporary=document.is_temporary,
    )


def as_version(resource: Resource) -> Version:
    """A version's resource as callers see it."""
    document = version_document(resource)
    manifest = document.manifest
    return Version(
        dataset_id=document.dataset,
        version=manifest.version,
        name=document.name,
        rows=manifest.rows,
        bytes=manifest.bytes,
        columns=manifest.columns,
        parts=len(manifest.parts),
        created_at=resource.created_at,
        created_by=document.created_by,
        operation_id=document.operation_id,
    )
