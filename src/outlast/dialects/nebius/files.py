"""Files on the wire: the objects of OpenAI's files API."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from outlast.dialects.nebius.ids import show_id
from outlast.operations.errors import Invalid
from outlast.operations.model import SECOND

UPLOAD_PURPOSES: Final = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")
"""What a caller may say that a file is for."""

LIST_MAX: Final = 10_000
PAGE_MAX: Final = 1_000
"""A page may be shorter than was asked for: `has_more` tells."""

EXPIRE_SECONDS_MIN: Final = 3_600
EXPIRE_SECONDS_MAX: Final = 2_592_000
_ANCHOR: Final = "expires_after[anchor]"
_SECONDS: Final = "expires_after[seconds]"
_WIRE_PURPOSES: Final[Mapping[str, str]] = MappingProxyType({"batch_errors": "batch_output"})
_OUR_PURPOSES: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {"batch_output": ("batch_output", "batch_errors")}
)


class FileObject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file."""

    id: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    object: Literal["file"]
    status: Literal["uploaded", "processed", "error"]
    expires_at: int | None = None
    ai_project_id: str | None = None


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of files."""

    object: Literal["list"]
    data: Sequence[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is gone."""

    id: str
    object: Literal["file"]
    deleted: bool


class FileWish(msgspec.Struct, frozen=True, kw_only=True):
    """What the fields of an upload say, in our words."""

    purpose: str
    project: str | None
    expire_seconds: float | None


FILE_FORM: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["file", "purpose"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "purpose": {"type": "string", "enum": list(UPLOAD_PURPOSES)},
        _ANCHOR: {"type": "string", "enum": ["created_at"]},
        _SECONDS: {
            "type": "integer",
            "minimum": EXPIRE_SECONDS_MIN,
            "maximum": EXPIRE_SECONDS_MAX,
        },
        "ai_project_id": {"type": "string"},
    },
}
"""The JSON Schema of an upload."""


def read_upload(fields: Mapping[str, str]) -> FileWish:
    """What an upload's fields ask for. Unknown ones are ignored. Raises Invalid."""
    purpose = fields.get("purpose")
    if purpose not in UPLOAD_PURPOSES:
        listed = ", ".join(UPLOAD_PURPOSES)
        raise Invalid(
            f"purpose is one of {listed}",
            field_errors={"purpose": "missing" if purpose is None else f"is not one of {listed}"},
        )
    return FileWish(
        purpose=purpose,
        project=fields.get("ai_project_id") or None,
        expire_seconds=_lifetime(fields),
    )


def our_purposes(purpose: str | None) -> Sequence[str | None]:
    """What a purpose of the wire stands for; both files of a batch have the same there."""
    return (purpose,) if purpose is None else _OUR_PURPOSES.get(purpose, (purpose,))


def file_on_wire(
    *,
    id: str,
    name: str,
    purpose: str,
    bytes: int,  # noqa: A002  the wire's word
    created_at: int,
    expire_at: int | None = None,
    project: str | None = None,
) -> FileObject:
    """A file as the wire has it."""
    return FileObject(
        id=show_id(id),
        object="file",
        bytes=bytes,
        created_at=created_at // SECOND,
        filename=name,
        purpose=_WIRE_PURPOSES.get(purpose, purpose),
        status="processed",
        expires_at=None if expire_at is None else expire_at // SECOND,
        ai_project_id=project,
    )


def file_list(data: Sequence[FileObject], *, has_more: bool) -> FileList:
    """A page as the wire has it."""
    return FileList(
        object="list",
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=has_more,
    )


def _lifetime(fields: Mapping[str, str]) -> float | None:
    anchor, seconds = fields.get(_ANCHOR), fields.get(_SECONDS)
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise Invalid(
            "files expire after created_at", field_errors={_ANCHOR: "is not `created_at`"}
        )
    if (
        seconds is None
        or not (seconds.isascii() and seconds.isdecimal())
        or not EXPIRE_SECONDS_MIN <= int(seconds[:10]) <= EXPIRE_SECONDS_MAX
    ):
        says = f"is not a number from {EXPIRE_SECONDS_MIN} to {EXPIRE_SECONDS_MAX}"
        raise Invalid(f"expires_after.seconds {says}", field_errors={_SECONDS: says})
    return float(seconds)
