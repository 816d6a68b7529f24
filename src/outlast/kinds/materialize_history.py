"""The kind `materialize_history`: the chat log of a time range, as a version of a dataset.

It takes the completions that were answered at `created_after` or later and before
`created_before`: only those that succeeded, unless `status` says more. They are in the order in
which they were answered, and `limit` keeps the first. Completions without content (too large for
the log) are counted and left out. A range in which nothing was said gives a version without rows.
Whoever reads the history needs a role that may `read_history`; the dataset is then the tenant's,
like any other.

Failure codes, for the caller to mend:

    result_too_large  the range has more rows or bytes than one version may hold
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

from outlast.kinds.targets import Target, target_id, targets
from outlast.operations.errors import InvalidSpec, Unavailable
from outlast.operations.kind import (
    Catalog,
    Context,
    Finish,
    Kind,
    Prepared,
    Resource,
    Resources,
)
from outlast.operations.model import SECOND
from outlast.operations.retry import RetryPolicy
from outlast.resources.chat_log.model import (
    SEGMENT,
    SegmentDocument,
    Status,
    day_of,
    segment_document,
)
from outlast.resources.datasets import model

DAYS_MAX: Final = 366
SEGMENTS_MAX: Final = 10_000
METADATA_MAX: Final = 16
MEMORY_BYTES: Final = 2 * 1024**3
_FOUND_MAX: Final = 500
_DAY: Final = 86_400 * SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class HistorySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which completions to take, and where they go. What is not given does not filter."""

    created_after: datetime | None = None
    created_before: datetime | None = None
    model: str | None = None
    member: str | None = None
    metadata: dict[str, str] = {}
    status: Annotated[tuple[Status, ...], msgspec.Meta(min_length=1)] = ("succeeded",)
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    dst: Target | None = None


class HistoryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs: the files to read, in order, and what to take of them.

    Instants are microseconds since the epoch. `dataset` None asks for a temporary one.
    """

    files: tuple[str, ...]
    bytes: int
    created_after: int
    created_before: int | None
    model: str | None
    member: str | None
    metadata: Mapping[str, str]
    status: frozenset[Status]
    limit: int | None
    dataset: str | None
    version_name: str | None


class HistoryResult(msgspec.Struct, frozen=True, kw_only=True):
    """The version that was made. `omitted` counts completions that the log has without content."""

    dataset: str
    version: str
    rows: int
    bytes: int
    omitted: int
    columns: tuple[model.Column, ...]


async def prepare(spec: HistorySpec, catalog: Catalog) -> Prepared:
    """Find the segments of the range. Raises InvalidSpec, NotFound, ResourceExists, Unavailable."""
    _check(spec)
    target = spec.dst or Target()
    dataset = await target_id(catalog, target)
    created_before = _microseconds(spec.created_before)
    segments = await _segments(catalog, _microseconds(spec.created_after), created_before)
    if len(segments) > SEGMENTS_MAX:
        raise _invalid("created_after", f"the range has more than {SEGMENTS_MAX} segments")
    inputs = {f"log-{number:05}.jsonl": one.key for number, one in enumerate(segments)}
    plan = HistoryPlan(
        files=tuple(inputs),
        bytes=sum(segment.bytes for segment in segments),
        created_after=_microseconds(spec.created_after) or 0,
        created_before=created_before,
        model=spec.model,
        member=spec.member,
        metadata=spec.metadata,
        status=frozenset(spec.status),
        limit=spec.limit,
        dataset=dataset,
        version_name=target.version_name,
    )
    return Prepared(plan=plan, inputs=inputs, targets=targets(dataset))


def _check(spec: HistorySpec) -> None:
    after, before = spec.created_after, spec.created_before
    for name, moment in (("created_after", after), ("created_before", before)):
        if moment is not None and moment.tzinfo is None:
            raise _invalid(name, "an instant has a time zone, such as 2026-11-22T10:00:00Z")
    if after is not None and before is not None and before <= after:
        raise _invalid("created_before", "the range ends before it begins")
    if len(spec.metadata) > METADATA_MAX:
        raise _invalid("metadata", f"at most {METADATA_MAX} keys can be asked for")


async def _segments(
    catalog: Catalog, after: int | None, before: int | None
) -> Sequence[SegmentDocument]:
    """The segments that may hold entries of the range, in the order of time."""
    found = await catalog.find(SEGMENT, limit=_FOUND_MAX)
    if len(found) == _FOUND_MAX:
        found = await _segments_by_day(catalog, after, segment_document(found[0]).last_at, before)
    documents = map(segment_document, sorted(found, key=lambda segment: segment.id))
    return [
        one
        for one in documents
        if (after is None or one.last_at >= after) and (before is None or one.first_at < before)
    ]


async def _segments_by_day(
    catalog: Catalog, after: int | None, newest: int, before: int | None
) -> Sequence[Resource]:
    end = newest if before is None else min(before, newest)
    if after is None or end - after > DAYS_MAX * _DAY:
        raise _invalid(
            "created_after", f"this log is long: ask for a range of at most {DAYS_MAX} days"
        )
    found: list[Resource] = []
    # Merged segments are indexed by the day of their first entry, and hold no other day's.
    for number in range(after // _DAY, end // _DAY + 1):
        found += await _segments_of_day(catalog, day_of(number * _DAY))
    return found


async def _segments_of_day(catalog: Catalog, day: str) -> Sequence[Resource]:
    found = await catalog.find(SEGMENT, day=day, limit=_FOUND_MAX)
    if len(found) < _FOUND_MAX:
        return found
    by_hour: list[Resource] = []
    for hour in range(24):
        found = await catalog.find(SEGMENT, hour=f"{day}T{hour:02}", limit=_FOUND_MAX)
        if len(found) == _FOUND_MAX:
            raise Unavailable(f"the chat log of {day}T{hour:02} is still being put in order")
        by_hour += found
    return by_hour


def _microseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    return max(0, (moment - _EPOCH) // timedelta(microseconds=1))


def _invalid(field: str, message: str) -> InvalidSpec:
    return InvalidSpec(f"{field}: {message}", field_errors={field: message})


def run(plan: HistoryPlan, context: Context) -> Finish:
    """Make the chat completions of a time range a version of a dataset."""
    # Only the child has Arrow, so that the server stays small.
    from outlast.kinds.history.rows import write_rows  # noqa: PLC0415

    written = write_rows(plan, context)
    dataset = context.operation_id if plan.dataset is None else plan.dataset
    manifest = written.manifest
    result = HistoryResult(
        dataset=dataset,
        version=manifest.version,
        rows=manifest.rows,
        bytes=manifest.bytes,
        omitted=written.omitted,
        columns=manifest.columns,
    )
    publication = model.NewVersion(
        dataset=dataset,
        version=manifest.version,
        manifest=manifest,
        files=written.files,
        version_name=plan.version_name,
        is_temporary=plan.dataset is None,
    )
    return Finish(result=result, writes=[publication])


kinds: Final = [
    Kind(
        "materialize_history",
        spec=HistorySpec,
        result=HistoryResult,
        plan=HistoryPlan,
        prepare=prepare,
        run=run,
        verb="read_history",
        sandboxed=True,
        preload=("outlast.kinds.history.rows",),
        retry=RetryPolicy(attempts_max=2),
        resources=Resources(cpus=1, memory_bytes=MEMORY_BYTES),
        description="Make the chat completions of a time range a version of a dataset.",
    )
]
