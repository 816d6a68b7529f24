"""Datasets on the wire: requests, answers, and the types of columns.

How S3 is named in a request, and the type `number`, are not published: they are our choice, and
stand here alone.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec

from outlast.dialects.nebius.ids import show_id
from outlast.operations.errors import InvalidSpec
from outlast.operations.model import SECOND

LIST_MAX: Final = 100
ROWS_MAX: Final = 1000
ROWS: Final = 100

Text = Annotated[str, msgspec.Meta(min_length=1)]


class ColumnType(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A column's type: string, json, integer, boolean, number; or option, of an `item`."""

    name: str
    item: "ColumnType | None" = None


class SchemaColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column and its type."""

    name: str
    type: ColumnType


class S3Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Objects to make a dataset of: all below a prefix, or one. Without keys, public ones."""

    type: Literal["s3"] = "s3"
    bucket: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,255}$")]
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    format: Literal["auto", "jsonl", "csv", "parquet"] = "auto"


class CreateDatasetRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset to create: of `rows`, which need a schema, or of objects in S3, of an `origin`."""

    name: Text
    folder: Text
    schema: Sequence[SchemaColumn] | msgspec.UnsetType = msgspec.UNSET
    rows: Sequence[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET
    origin: S3Origin | msgspec.UnsetType = msgspec.UNSET
    ai_project_id: str | None = None


class NewDataset(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a dataset, whose rows are left as they are."""

    name: Text
    folder: Text
    schema: Sequence[SchemaColumn] | msgspec.UnsetType = msgspec.UNSET
    rows: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    origin: S3Origin | msgspec.UnsetType = msgspec.UNSET
    ai_project_id: str | None = None


class _Peek(msgspec.Struct, frozen=True, kw_only=True):
    """Of a request for a dataset, whether it has rows."""

    rows: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class UpdateDatasetRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a dataset."""

    name: Text | None = None
    folder: Text | None = None


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version came from."""

    type: Literal["upload", "operation", "s3"]


class VersionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A version."""

    id: str


class DatasetResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset."""

    id: str
    name: str
    status: Literal["READY", "PENDING", "FAILED", "TEMPORARY", "DRAFT"]
    schema: Sequence[SchemaColumn]
    metadata: Mapping[str, Any]
    folder: str
    current_version: str | None
    created_at: int
    error: str | None
    ai_project_id: str | None
    type: Literal["dataset"]
    current_version_origin: Origin | None
    current_version_summary: VersionSummary | None


class DatasetList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of datasets, newest first."""

    data: Sequence[DatasetResponse]
    has_more: bool
    last_id: str | None


class DatasetContent(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of a dataset's version."""

    rows: msgspec.Raw
    version: str


_OPTION: Final = "option"
_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "string": "string",
        "json": "json",
        "integer": "int64",
        "boolean": "boolean",
        "number": "double",
        "float": "double",
        "double": "double",
    }
)
"""What a column of each type is stored as."""

STATUSES: Final[Mapping[str, Literal["READY", "PENDING", "FAILED", "DRAFT"]]] = MappingProxyType(
    {"ready": "READY", "pending": "PENDING", "failed": "FAILED", "draft": "DRAFT"}
)
"""The word for each status of a dataset; one that is ready may be TEMPORARY."""

_FIELDS: Final = (
    ("columns", "schema"),
    ("project", "ai_project_id"),
    ("url", "origin.bucket"),
    ("endpoint", "origin.endpoint"),
    ("region", "origin.region"),
    ("access_key", "origin.access_key_id"),
    ("secret_key", "origin.secret_access_key"),
)


def has_rows(body: bytes) -> bool:
    """Whether a request for a dataset brings its rows along. A body that is no request does not."""
    try:
        return msgspec.json.decode(body, type=_Peek).rows is not msgspec.UNSET
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def read_new_dataset(head: bytes) -> dict[str, Any]:
    """What a request for a dataset of rows declares, in our words. Raises InvalidSpec."""
    try:
        request = msgspec.json.decode(head, type=NewDataset)
    except msgspec.MsgspecError as error:
        raise _unreadable(str(error)) from error
    if request.schema is msgspec.UNSET:
        raise InvalidSpec("schema is missing", field_errors={"schema": "Field required"})
    return declared(request.name, request.folder, request.ai_project_id, request.schema)


def declared(
    name: str, folder: str, project: str | None, schema: Sequence[SchemaColumn] | None
) -> dict[str, Any]:
    """A dataset to be made, in our words. Raises InvalidSpec."""
    columns = None
    if schema is not None:
        columns = [
            {"name": column.name, **_read_type(column.type, f"schema.{number}.type")}
            for number, column in enumerate(schema)
        ]
    return {"title": name, "folder": folder, "project": project, "columns": columns}


def s3_keys(origin: S3Origin) -> list[tuple[str, str]]:
    """The secrets of a request, under our names for them."""
    keys = (("access_key", origin.access_key_id), ("secret_key", origin.secret_access_key))
    return [(name, text) for name, text in keys if text is not None]


def import_spec(
    origin: S3Origin, dataset: str, declaration: Mapping[str, Any], keys: Mapping[str, str]
) -> dict[str, Any]:
    """The operation that fills a dataset with objects; `keys` are references to the secrets."""
    return {
        "url": f"s3://{origin.bucket}/{origin.prefix.lstrip('/')}",
        "endpoint": origin.endpoint,
        "region": origin.region,
        "format": origin.format,
        "columns": declaration["columns"],
        "dst": {"dataset": dataset},
        "must_exist": True,
        **keys,
    }


def request_field(field: str) -> str:
    """What a field of ours is called in a request."""
    for ours, theirs in _FIELDS:
        if field == ours or field.startswith(f"{ours}."):
            return theirs + field.removeprefix(ours)
    return field


def schema_on_wire(
    columns: Sequence[tuple[str, str]], required: Sequence[str]
) -> list[SchemaColumn]:
    """Columns as the wire has them. What was not declared to be without nulls is an option."""
    always = frozenset(required)
    return [
        SchemaColumn(
            name=name,
            type=(
                ColumnType(name=_shown_type(type))
                if name in always
                else ColumnType(name=_OPTION, item=ColumnType(name=_shown_type(type)))
            ),
        )
        for name, type in columns
    ]


def dataset_on_wire(
    *,
    id: str,
    title: str,
    status: str,
    is_temporary: bool,
    error: str | None,
    columns: Sequence[tuple[str, str]],
    required: Sequence[str],
    folder: str | None,
    project: str | None,
    version: str | None,
    origin: str | None,
    created_at: int,
) -> DatasetResponse:
    """A dataset as the wire has it."""
    word = STATUSES[status]
    return DatasetResponse(
        id=show_id(id),
        name=title,
        status="TEMPORARY" if is_temporary and word == "READY" else word,
        schema=schema_on_wire(columns, required),
        metadata={},
        folder=folder or "/",
        current_version=version,
        created_at=created_at // SECOND,
        error=error,
        ai_project_id=project,
        type="dataset",
        current_version_origin=None if version is None else _shown_origin(origin),
        current_version_summary=None if version is None else VersionSummary(id=version),
    )


def _read_type(type: ColumnType, path: str) -> dict[str, Any]:
    is_optional = type.name == _OPTION
    if is_optional:
        if type.item is None:
            raise _wrong_type(f"{path}.item", "an option has an item")
        type, path = type.item, f"{path}.item"
    if type.name not in _TYPES:
        known = ", ".join([*_TYPES, _OPTION])
        raise _wrong_type(f"{path}.name", f"{type.name[:80]!r} is none of {known}")
    return {"type": _TYPES[type.name], "is_optional": is_optional}


def _shown_type(type: str) -> str:
    """The wire's word for a type of ours; what it has no word for is shown as text or as JSON."""
    if type.startswith(("int", "uint")):
        return "integer"
    if type in {"float", "double", "halffloat"}:
        return "number"
    if type == "json" or type.startswith(("list<", "struct<", "map<")):
        return "json"
    return "boolean" if type == "boolean" else "string"


def _shown_origin(origin: str | None) -> Origin | None:
    match origin:
        case "s3":
            return Origin(type="s3")
        case "operation":
            return Origin(type="operation")
        case "rows" | "upload":
            return Origin(type="upload")
        case _:
            return None


def _wrong_type(path: str, reason: str) -> InvalidSpec:
    return InvalidSpec(f"{path}: {reason}", field_errors={path: reason})


def _unreadable(text: str) -> InvalidSpec:
    """A decoder's complaint, with the field that it concerns."""
    reason, _, path = text.partition(" - at `$")
    steps = [path.rstrip("`").strip(".")]
    if reason.startswith("Object missing required field"):
        steps.append(reason.split("`")[1])
    field = ".".join(filter(None, steps))
    return InvalidSpec(text, field_errors={field: reason} if field else None)
