"""What an entry of the chat log is, and the segments that hold the entries. Pure.

A segment is an object of JSON lines, one entry each, in the order in which they were answered. It
holds what one tenant's callers did within one hour (UTC). In the catalog stands

    chat_segment     id: one of ours; segments in the order of their ids are in the order of time
                     indexed: `day` (2026-11-22) and `hour` (2026-11-22T10)

and never a word of what was said.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from outlast.operations.kind import CatalogWrite, Resource
from outlast.operations.model import SECOND

SEGMENT: Final = "chat_segment"
HOUR: Final = 3600 * SECOND
_HOUR_CHARS: Final = len("2026-11-22T10")
_DAY_CHARS: Final = len("2026-11-22")

Status = Literal["succeeded", "failed", "incomplete"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One chat completion: what was asked, and what was answered.

    `created_at` is when the answer ended, in microseconds; it began `duration_ms` before. `failed`
    is an answer that never began, `incomplete` one that broke off or whose reader went away.
    `choices` and `usage` are as the model's server gave them, put together where it streamed.
    `is_omitted` marks an entry that was too large: without messages, parameters and choices.
    """

    id: str
    created_at: int
    member: str
    model: str
    status: Status
    duration_ms: int
    is_streamed: bool = False
    messages: list[Any] = []
    parameters: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    choices: list[Any] = []
    usage: dict[str, Any] | None = None
    error: str | None = None
    is_omitted: bool = False


class SegmentDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a segment. `is_merged` tells one that was made of others.

    `first_at` and `last_at` are the earliest and the latest `created_at` of its entries.
    """

    key: str
    bytes: int
    entries: int
    first_at: int
    last_at: int
    is_merged: bool = False


def hour_of(instant: int) -> str:
    """The hour (UTC) of an instant, as segments are indexed: 2026-11-22T10."""
    return datetime.fromtimestamp(instant // SECOND, UTC).isoformat()[:_HOUR_CHARS]


def day_of(instant: int) -> str:
    """The day (UTC) of an instant, as segments are indexed: 2026-11-22."""
    return hour_of(instant)[:_DAY_CHARS]


def segments_prefix(tenant: str) -> str:
    """Where the object store keeps the segments of a tenant."""
    return f"tenant/{tenant}/chat/"


def segment_key(tenant: str, hour: str, name: str) -> str:
    """Where the object store keeps a segment; its name begins with its id and a dot."""
    return f"{segments_prefix(tenant)}{hour[:_DAY_CHARS]}/{name}.jsonl"


def segment_of_key(key: str) -> str:
    """The id of the segment that an object holds, or held."""
    return key.rpartition("/")[2].partition(".")[0]


def segment_document(resource: Resource) -> SegmentDocument:
    """What the catalog keeps of a segment."""
    return _segment_decoder.decode(resource.document)


def segment_write(
    id: str, hour: str, document: SegmentDocument, expected_revision: int
) -> CatalogWrite:
    """The write of a segment's document."""
    return CatalogWrite(
        type=SEGMENT,
        id=id,
        document=msgspec.json.encode(document),
        fields={"day": hour[:_DAY_CHARS], "hour": hour},
        expected_revision=expected_revision,
    )


def as_document(entry: Entry) -> dict[str, Any]:
    """An entry as a redaction hook is given it."""
    document: dict[str, Any] = msgspec.to_builtins(entry)
    return document


def from_document(document: Mapping[str, Any]) -> Entry:
    """What a redaction hook left of an entry. Raises msgspec.ValidationError."""
    return msgspec.convert(document, Entry)


_segment_decoder: Final = msgspec.json.Decoder(SegmentDocument)
