"""`file_to_dataset` and `dataset_to_file`: the rows of a file become a dataset, and back.

The service names both types, and publishes none of their parameters: those here are ours.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from outlast.dialects.nebius.ids import read_id, show_id
from outlast.dialects.nebius.operation_types.wire import (
    OperationFields,
    OperationRequest,
    OperationWish,
    request_path,
    source_on_wire,
    source_spec,
    spec_of,
    target_on_wire,
    target_spec,
)
from outlast.operations.errors import Invalid
from outlast.operations.model import Operation

Format = Literal["jsonl", "csv", "parquet"]


class FileToDatasetParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file by its id, and its format; without one the file's name tells, or how it begins."""

    file_id: Annotated[str, msgspec.Meta(min_length=1)]
    format: Format | Literal["auto"] = "auto"


class FileToDatasetRequest(OperationRequest, frozen=True, kw_only=True, tag="file_to_dataset"):
    """A file whose rows shall become a dataset."""

    params: FileToDatasetParams


class FileToDatasetOperation(OperationFields, frozen=True, kw_only=True, tag="file_to_dataset"):
    """A file whose rows become a dataset."""

    params: FileToDatasetParams


class DatasetToFileParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The format of the file, what it is for, as the files API has it, and its name."""

    format: Format = "jsonl"
    purpose: str | None = None
    name: str | None = None


class DatasetToFileRequest(OperationRequest, frozen=True, kw_only=True, tag="dataset_to_file"):
    """A dataset whose rows shall become a file."""

    params: DatasetToFileParams = DatasetToFileParams()


class DatasetToFileOperation(OperationFields, frozen=True, kw_only=True, tag="dataset_to_file"):
    """A dataset whose rows become a file; its id is at /results."""

    params: DatasetToFileParams


class DatasetToFileResults(msgspec.Struct, frozen=True, kw_only=True):
    """The file that came out; null until there is one."""

    output_file_id: str | None


def file_results(operation: Operation) -> DatasetToFileResults:
    """What came out of an operation that makes a file."""
    if operation.result is None:
        return DatasetToFileResults(output_file_id=None)
    result = msgspec.json.decode(operation.result)
    return DatasetToFileResults(output_file_id=show_id(result["file"]))


class FileToDatasetConversion:
    """See OperationConversion."""

    def wish(self, request: FileToDatasetRequest) -> OperationWish:
        """See OperationConversion."""
        params = request.params
        spec = {"file": read_id(params.file_id), "format": params.format}
        return OperationWish(spec=spec | target_spec(request.dst))

    def response(self, operation: Operation, fields: Mapping[str, Any]) -> FileToDatasetOperation:
        """See OperationConversion."""
        spec = spec_of(operation)
        return FileToDatasetOperation(
            **fields,
            src=[],
            dst=target_on_wire(operation, spec),
            params=FileToDatasetParams(
                file_id=show_id(spec["file"]), format=spec.get("format", "auto")
            ),
        )

    def wire_path(self, path: str) -> str:
        """See OperationConversion."""
        return "params.file_id" if path == "file" else request_path(path)


class DatasetToFileConversion:
    """See OperationConversion."""

    def wish(self, request: DatasetToFileRequest) -> OperationWish:
        """See OperationConversion."""
        if len(request.src) != 1:
            raise Invalid(
                "src: dataset_to_file has one dataset", field_errors={"src": "has one dataset"}
            )
        params = request.params
        if request.dst:
            raise Invalid(
                "dst: what comes out is a file, not a dataset",
                field_errors={"dst": "must be empty"},
            )
        spec = source_spec(request.src[0]) | {"format": params.format}
        wanted = {"purpose": params.purpose, "name": params.name}
        spec.update((name, text) for name, text in wanted.items() if text is not None)
        return OperationWish(spec=spec)

    def response(self, operation: Operation, fields: Mapping[str, Any]) -> DatasetToFileOperation:
        """See OperationConversion. What comes out is a file: there are no `dst`."""
        spec = spec_of(operation)
        return DatasetToFileOperation(
            **fields,
            src=[source_on_wire(spec)],
            dst=[],
            params=DatasetToFileParams(
                format=spec.get("format", "jsonl"),
                purpose=spec.get("purpose"),
                name=spec.get("name"),
            ),
        )

    def wire_path(self, path: str) -> str:
        """See OperationConversion."""
        known = {"dataset": "src[0].id", "version": "src[0].version"}
        return known.get(path) or request_path(path)
