"""What a caller asks for, and whether it may be asked for at all."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from outlast.operations import documents, ids
from outlast.operations.errors import Invalid, OperationIdTaken
from outlast.operations.kind import CatalogWrite
from outlast.operations.model import SECOND
from outlast.settings import Limits

PRIORITY_MAX: Final = 100
_ID_WINDOW: Final = 3600 * SECOND
_LABEL_KEY: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]{1,255}")
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_NOT_ASKED_FOR: Final = (
    "operation_id",
    "idempotency_key",
    "request_id",
    "traceparent",
    "checkpoint",
    "writes",
)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks for, not yet checked. `spec` is JSON as the caller wrote it.

    `deadline_seconds` is a deadline that begins with the creation: to ask again is to ask for the
    same. `writes` are committed with the creation, before those of the kind's `prepare`,
    which is shown what they make.
    """

    kind: str
    spec: bytes
    labels: Mapping[str, str] = {}
    priority: int = 0
    available_at: int | None = None
    deadline_at: int | None = None
    deadline_seconds: int | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    project: str | None = None
    project_version: str | None = None
    operation_id: str | None = None
    idempotency_key: str | None = None
    request_id: str | None = None
    traceparent: str | None = None
    parent_id: str | None = None
    checkpoint: bytes | None = None
    writes: Sequence[CatalogWrite] = ()


def check_wish(wish: Wish, limits: Limits, now: int) -> None:
    """Raise Invalid for what no kind would take."""
    _check_labels(wish.labels, limits)
    if not -PRIORITY_MAX <= wish.priority <= PRIORITY_MAX:
        raise Invalid("priority is from -100 to 100", field_errors={"priority": "range"})
    if wish.deadline_at is not None and wish.deadline_at <= now:
        raise Invalid("deadline_at has passed", field_errors={"deadline_at": "in the past"})
    if (wish.resource_type is None) != (wish.resource_id is None):
        raise Invalid("resource_type and resource_id go together")
    for name in ("resource_type", "resource_id", "project", "project_version"):
        value = getattr(wish, name)
        if value is not None and not _NAME.fullmatch(value):
            raise Invalid(
                f"{name} has 1 to 255 printable characters", field_errors={name: "malformed"}
            )
    if wish.idempotency_key is not None and not _PRINTABLE.fullmatch(wish.idempotency_key):
        raise Invalid("an idempotency key has 1 to 255 printable ASCII characters")


def names_of(wanted: str | None, now: int) -> tuple[str | None, str | None]:
    """The caller's name for an operation as (id, alias). One of our own ids must be a fresh one."""
    if wanted is None:
        return None, None
    if not ids.ALIAS_PATTERN.fullmatch(wanted):
        raise Invalid("an operation id has 1 to 128 of the characters A-Z a-z 0-9 . _ ~ -")
    decoded = ids.decode_any(wanted)
    if decoded is None:
        return None, wanted
    if abs(ids.created_at(decoded) - now) > _ID_WINDOW:
        raise OperationIdTaken(
            "this id has the form of this server's own ids, and its time is not the present"
        )
    return decoded, None


def deadline_of(wish: Wish, now: int) -> int | None:
    """When an operation that is created now must have ended."""
    if wish.deadline_seconds is None:
        return wish.deadline_at
    return now + wish.deadline_seconds * SECOND


def fingerprint_of(wish: Wish) -> bytes:
    """A hash that is equal for calls that ask for the same."""
    body = msgspec.structs.asdict(wish)
    for name in _NOT_ASKED_FOR:
        del body[name]
    body["spec"] = documents.decode(wish.spec)
    return hashlib.sha256(documents.canonical(body)).digest()[:16]


def _check_labels(labels: Mapping[str, str], limits: Limits) -> None:
    if len(labels) > limits.labels:
        raise Invalid(f"at most {limits.labels} labels", field_errors={"labels": "too many"})
    for key, value in labels.items():
        if len(key) > limits.label_key_chars or not _LABEL_KEY.fullmatch(key):
            raise Invalid(
                f"a label's key has 1 to {limits.label_key_chars} letters, digits, . _ / -",
                field_errors={f"labels.{key}"[:80]: "malformed key"},
            )
        if len(value) > limits.label_value_chars or "\0" in value:
            raise Invalid(
                f"a label's value has at most {limits.label_value_chars} characters",
                field_errors={f"labels.{key}": "malformed value"},
            )
