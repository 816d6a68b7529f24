"""Uploads of datasets in parts, on the wire. The words for their status are our choice."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from outlast.dialects.nebius.datasets import SchemaColumn, Text, schema_on_wire
from outlast.dialects.nebius.ids import show_id
from outlast.operations.model import SECOND


class CreateUploadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset whose file will arrive in parts."""

    name: Text
    schema: Sequence[SchemaColumn]
    folder: Text


class CompleteUploadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an upload, in their order."""

    part_ids: Sequence[str]


class UploadDataset(msgspec.Struct, frozen=True, kw_only=True):
    """The dataset that an upload fills."""

    id: str
    name: str
    schema: Sequence[SchemaColumn]
    folder: str


class UploadInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How far an upload is."""

    status: Literal["PENDING", "COMPLETED"]
    dataset: UploadDataset
    created_at: int
    error: str | None
    completed_at: int | None
    ai_project_id: str | None


class UploadResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An upload in parts."""

    id: str
    upload_info: UploadInfo


class UploadPartResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A part that has arrived."""

    id: str
    upload_id: str
    bytes: int
    created_at: int


def upload_on_wire(
    *,
    id: str,
    dataset: str,
    declaration: Mapping[str, Any],
    created_at: int,
    completed_at: int | None,
) -> UploadResponse:
    """An upload as the wire has it; `declaration` is what `declared` told."""
    columns = declaration["columns"] or ()
    return UploadResponse(
        id=show_id(id),
        upload_info=UploadInfo(
            status="PENDING" if completed_at is None else "COMPLETED",
            dataset=UploadDataset(
                id=show_id(dataset),
                name=declaration["title"],
                schema=schema_on_wire(
                    [(column["name"], column["type"]) for column in columns],
                    [column["name"] for column in columns if not column["is_optional"]],
                ),
                folder=declaration["folder"],
            ),
            created_at=created_at // SECOND,
            error=None,
            completed_at=None if completed_at is None else completed_at // SECOND,
            ai_project_id=declaration["project"],
        ),
    )


def upload_part_on_wire(
    *,
    id: str,
    upload: str,
    bytes: int,  # noqa: A002  the wire's word
    created_at: int,
) -> UploadPartResponse:
    """A part as the wire has it."""
    return UploadPartResponse(
        id=show_id(id), upload_id=show_id(upload), bytes=bytes, created_at=created_at // SECOND
    )
