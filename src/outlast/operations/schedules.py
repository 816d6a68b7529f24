"""Schedules: documents of the catalog that say what is made again and again, and when.

Pure: `next_due` tells the next instant after another. Whoever makes the operation writes that
instant in the same transaction, so that each tick has one winner and none is lost.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from outlast.operations import documents
from outlast.operations.errors import Invalid
from outlast.operations.kind import CatalogWrite
from outlast.operations.model import SECOND

SCHEDULE: Final = "schedule"
"""The type of resource that a schedule is."""

LABEL: Final = "schedule"
"""The label by which an operation names the schedule that made it."""

EVERY_SECONDS_MAX: Final = 366 * 86_400
_CRON_CHARS_MAX: Final = 255
_CRON_FIELDS: Final = 5
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}")
# Other clocks, and names that mean something else on each machine.
_NO_ZONE: Final = re.compile(r"(posix|right)/.*|localtime|posixrules|Factory")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TickFailure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a tick made no operation. `at` is when that was."""

    code: str
    message: str
    at: int


class ScheduleDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is stored of a schedule.

    What it makes: operations of `kind` with `spec` and the fields that are called as Operation's.
    When: every `every_seconds`, counted from `anchor_at`, or as `cron` says by the clocks of
    `time_zone`; one of both. In whose name: of the member `created_by`, who had `role` and showed
    the token `token_id` when they last said what is made. One that belongs to a resource
    (`belongs_to`: TYPE/ID) goes with it, and nobody else changes what it makes.
    What came of it: `operation_id` is the last operation made, for the instant `last_due_at`;
    `last_skipped_at` the last instant when that one was still alive; `last_failure` why the last
    tick made nothing, None if it made something.
    """

    kind: str
    spec: Any
    every_seconds: int | None = None
    cron: str | None = None
    time_zone: str = "UTC"
    anchor_at: int = 0
    labels: Mapping[str, str] = {}
    priority: int = 0
    deadline_seconds: int | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    project: str | None = None
    created_by: str
    role: str = "submitter"
    token_id: str = ""
    belongs_to: str | None = None
    is_paused: bool = False
    operation_id: str | None = None
    last_due_at: int | None = None
    last_skipped_at: int | None = None
    last_failure: TickFailure | None = None


def check_timing(document: ScheduleDocument) -> None:
    """Raise Invalid, naming the field, unless the document says when, and that instant comes."""
    if (document.every_seconds is None) == (document.cron is None):
        raise Invalid(
            "a schedule has either every_seconds or cron",
            field_errors={"every_seconds": "this or cron", "cron": "this or every_seconds"},
        )
    every = document.every_seconds
    if every is not None and not 1 <= every <= EVERY_SECONDS_MAX:
        raise Invalid(
            f"every_seconds is from 1 to {EVERY_SECONDS_MAX}",
            field_errors={"every_seconds": "out of range"},
        )
    zone_of(document.time_zone)
    next_due(document, document.anchor_at)


def next_due(document: ScheduleDocument, after: int) -> int:
    """The first instant of the schedule that is later than `after`.

    An expression that names hours and minutes follows the clock on the wall as cron does: what
    falls into an hour that is skipped is due when that hour would have ended, and what falls into
    one that comes twice is due once, the first time. One whose minutes or hours begin with a star
    is due whenever the clock shows it. Raises Invalid for what no clock ever shows.
    """
    if document.every_seconds is not None:
        interval = document.every_seconds * SECOND
        return after + interval - (after - document.anchor_at) % interval
    zone = zone_of(document.time_zone)
    start = (_EPOCH + timedelta(microseconds=after)).astimezone(zone)
    try:
        # Where an hour comes twice, the walk begins in the first of both.
        for due in _walk(document.cron or "", start):
            at = (due.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
            if at > after:
                return at
    except OverflowError as error:
        raise _never(document) from error
    raise _never(document)


def zone_of(name: str) -> tzinfo:
    """The time zone of this name in the tz database. Raises Invalid."""
    if name == "UTC":
        return UTC
    refused = Invalid(
        f"there is no time zone {name[:64]!r}: names are those of the tz database, such as"
        " Europe/Berlin",
        field_errors={"time_zone": "unknown"},
    )
    if not _ZONE.fullmatch(name) or _NO_ZONE.fullmatch(name):
        raise refused
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise refused from error


def schedule_write(
    id: str,
    document: ScheduleDocument,
    due_at: int | None,
    *,
    name: str = "",
    expected_revision: int | None = None,
) -> CatalogWrite:
    """The write that stores a schedule whose next tick is at `due_at`; None while it is paused."""
    fields = {
        "kind": document.kind,
        "created_by": document.created_by,
        "belongs_to": document.belongs_to or "",
    }
    return CatalogWrite(
        type=SCHEDULE,
        id=id,
        name=name,
        document=documents.encode(document),
        fields=fields,
        due_at=due_at,
        expected_revision=expected_revision,
    )


def schedule_removal(id: str, expected_revision: int | None = None) -> CatalogWrite:
    """The write that removes a schedule. What it has made stays."""
    return CatalogWrite(type=SCHEDULE, id=id, expected_revision=expected_revision)


def decode_schedule(document: bytes) -> ScheduleDocument:
    """The schedule that `schedule_write` stored."""
    return _decoder.decode(document)


def _walk(cron: str, start: datetime) -> CronSim:
    # A space of another script is one to `split`, but not to other readers of the schedule.
    is_plain = cron.isascii() and len(cron) <= _CRON_CHARS_MAX
    if not is_plain or len(cron.split()) != _CRON_FIELDS:
        raise _bad_cron("it has five fields: minute, hour, day of month, month, day of week")
    try:
        return CronSim(cron, start)
    except (CronSimError, ValueError, AssertionError) as error:
        raise _bad_cron(str(error).lower()) from error


def _bad_cron(reason: str) -> Invalid:
    return Invalid(f"the cron expression is wrong: {reason}", field_errors={"cron": reason})


def _never(document: ScheduleDocument) -> Invalid:
    return Invalid(
        f"the cron expression {document.cron!r} names no day of the next fifty years",
        field_errors={"cron": "never due"},
    )


_decoder: Final = msgspec.json.Decoder(ScheduleDocument)
