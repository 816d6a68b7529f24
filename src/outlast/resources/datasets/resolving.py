"""Finds datasets and versions by what callers call them: an id, a name, a version, an alias."""

import msgspec

from outlast.operations.errors import NotFound
from outlast.operations.kind import Catalog, Resource
from outlast.operations.model import Operation
from outlast.resources.datasets import model
from outlast.resources.datasets.model import (
    AliasDocument,
    Dataset,
    DatasetDocument,
    DatasetStatus,
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
            raise NotFound(f"dataset {_called(dataset)!r} has no version yet")
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
    return NotFound(f"dataset {_called(dataset)!r} has no version {version[:_REF_CHARS_SHOWN]!r}")


def _called(dataset: Resource) -> str:
    """What people call it: the name of one that has a title is its id."""
    return dataset_document(dataset).title or dataset.name


def dataset_document(resource: Resource) -> DatasetDocument:
    """What a dataset's resource says."""
    return msgspec.json.decode(resource.document, type=DatasetDocument)


def version_document(resource: Resource) -> VersionDocument:
    """What a version's resource says."""
    return msgspec.json.decode(resource.document, type=VersionDocument)


def as_dataset(resource: Resource, maker: Operation | None = None) -> Dataset:
    """A dataset's resource as callers see it.

    `maker` is the operation of its field OWNER, or None where it has none or that is gone.
    """
    document = dataset_document(resource)
    status, error = _status(resource, document, maker)
    return Dataset(
        id=resource.id,
        name=resource.name,
        current_version=document.current_version,
        created_at=resource.created_at,
        updated_at=resource.updated_at,
        created_by=document.created_by,
        is_temporary=document.is_temporary,
        status=status,
        error=error,
        operation_id=resource.fields.get(model.OWNER),
        title=document.title,
        folder=document.folder,
        project=document.project,
        columns=document.columns,
        required=document.required,
        origin=document.origin,
    )


def _status(
    resource: Resource, document: DatasetDocument, maker: Operation | None
) -> tuple[DatasetStatus, str | None]:
    if document.current_version is not None:
        return DatasetStatus.READY, None
    if model.OWNER not in resource.fields:
        return DatasetStatus.DRAFT, None
    if maker is None:
        return DatasetStatus.FAILED, "the operation that should have filled it is gone"
    if not maker.state.is_terminal:
        return DatasetStatus.PENDING, None
    if maker.failure is not None:
        return DatasetStatus.FAILED, maker.failure.message
    return DatasetStatus.FAILED, f"the operation that should have filled it was {maker.state}"


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
