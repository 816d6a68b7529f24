"""Datasets, versions and rows as the native API shows them."""

from collections.abc import Sequence

import msgspec

from outlast.http.rendering import Instant, instant
from outlast.resources.datasets import Column, Dataset, Version
from outlast.resources.datasets.model import DatasetStatus


class DatasetView(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset. `current_version` is null until something was published.

    `operation_id` is what makes its first version, and `error` says why that failed.
    """

    id: str
    name: str
    current_version: str | None
    created_at: Instant
    updated_at: Instant
    created_by: str
    is_temporary: bool
    status: DatasetStatus
    error: str | None
    operation_id: str | None
    title: str | None
    folder: str | None
    project: str | None


class DatasetsView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of datasets, newest first."""

    datasets: Sequence[DatasetView]
    next_page_token: str | None


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable version. `parts` counts its files; `operation_id` is what published it."""

    dataset_id: str
    version: str
    name: str | None
    rows: int
    bytes: int
    columns: Sequence[Column]
    parts: int
    created_at: Instant
    created_by: str
    operation_id: str | None


class VersionsView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of versions, newest first."""

    versions: Sequence[VersionView]
    next_page_token: str | None


class RowsView(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of a version, of `total`."""

    version: str
    columns: Sequence[Column]
    rows: msgspec.Raw
    offset: int
    total: int


def dataset_view(dataset: Dataset) -> DatasetView:
    """A dataset as it is shown."""
    return DatasetView(
        id=dataset.id,
        name=dataset.name,
        current_version=dataset.current_version,
        created_at=instant(dataset.created_at),
        updated_at=instant(dataset.updated_at),
        created_by=dataset.created_by,
        is_temporary=dataset.is_temporary,
        status=dataset.status,
        error=dataset.error,
        operation_id=dataset.operation_id,
        title=dataset.title,
        folder=dataset.folder,
        project=dataset.project,
    )


def version_view(version: Version) -> VersionView:
    """A version as it is shown."""
    return VersionView(
        dataset_id=version.dataset_id,
        version=version.version,
        name=version.name,
        rows=version.rows,
        bytes=version.bytes,
        columns=version.columns,
        parts=version.parts,
        created_at=instant(version.created_at),
        created_by=version.created_by,
        operation_id=version.operation_id,
    )
