"""Datasets on the wire: tables, and files of documents that are none."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final, Literal

import msgspec

from outlast.dialects.datarobot.instants import Instant

FILE_FORM: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
}
_TABLES: Final = frozenset({".csv", ".jsonl", ".ndjson", ".parquet"})

ProcessingState = Literal["CREATED", "RUNNING", "COMPLETED", "ERROR"]


class DatasetResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A dataset, in the forms of a list and of its details at once."""

    dataset_id: str
    version_id: str
    name: str
    creation_date: Instant
    created_by: str
    processing_state: ProcessingState
    dataset_size: int
    row_count: int
    error: str
    last_modification_date: Instant
    last_modifier_full_name: str
    uri: str
    data_source_type: str = ""
    categories: Sequence[str] = ()
    data_persisted: bool = True
    is_data_engine_eligible: bool = False
    is_latest_version: bool = True
    is_snapshot: bool = True


class CreatedDataset(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is told of a dataset that was uploaded, before it can be read."""

    catalog_id: str
    catalog_version_id: str
    status_id: str


class PatchDatasetRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Another name for a dataset. Categories are not kept."""

    name: str | None = None
    categories: Sequence[str] | None = None


def is_table(file_name: str) -> bool:
    """Whether a file is to be read as rows. Any other holds documents."""
    return PurePath(file_name).suffix.lower() in _TABLES
