"""Typed progress: how far an attempt has come."""

import math
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

ResourceStatus = Literal["pending", "running", "succeeded", "failed", "unchanged"]


class ResourceProgress(msgspec.Struct, frozen=True, kw_only=True):
    """One of the things that an operation works on, such as a table or a server."""

    urn: str
    type: str = ""
    name: str = ""
    operation: str = ""
    status: ResourceStatus = "pending"
    duration_seconds: float | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """How many resources stand where. Counted from the resources, and never written by itself."""

    total: int
    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    unchanged: int = 0


_NO_RESOURCES: Final = msgspec.Raw(b"[]")
_NO_SUMMARY: Final = Summary(total=0)


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last report of an attempt.

    `done` and `total` count `unit`s; `done` never decreases within an attempt. `started_done` and
    `started_at` are the attempt's first report with a count: the rate is computed from them.

    The resources are kept as the JSON that a poll shows, every key of each, with their `summary`
    beside them: who asks how far an operation is need not read hundreds of them for that.
    """

    attempt: int
    at: int
    stage: str = ""
    message: str = ""
    done: float | None = None
    total: float | None = None
    unit: str = ""
    encoded_resources: msgspec.Raw = msgspec.field(name="resources", default=_NO_RESOURCES)
    summary: Summary = _NO_SUMMARY
    started_done: float = 0
    started_at: int = 0

    def __post_init__(self) -> None:
        if not self.summary.total and self.encoded_resources != _NO_RESOURCES:
            # Stored by an earlier version, without counters and without keys that say nothing.
            resources = self.resources
            msgspec.structs.force_setattr(self, "encoded_resources", _encoded(resources))
            msgspec.structs.force_setattr(self, "summary", count(resources))

    @property
    def resources(self) -> Sequence[ResourceProgress]:
        """The resources, read."""
        return _decode_resources(self.encoded_resources)

    @property
    def rate_per_second(self) -> float | None:
        """Units done a second since the attempt's first report, or None while that says nothing."""
        elapsed = (self.at - self.started_at) / 1_000_000
        if self.done is None or elapsed <= 0 or self.done <= self.started_done:
            return None
        return (self.done - self.started_done) / elapsed

    @property
    def eta_seconds(self) -> float | None:
        """Seconds until `done` reaches `total` at the present rate, as of `at`; None if unknown."""
        rate = self.rate_per_second
        if rate is None or self.total is None or self.done is None:
            return None
        return max(0.0, (self.total - self.done) / rate)


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a handler says of its progress. None leaves a field as it was."""

    done: float | None = None
    total: float | None = None
    unit: str | None = None
    stage: str | None = None
    message: str | None = None
    resources: Sequence[ResourceProgress] | None = None

    def over(self, earlier: "Report") -> "Report":
        """Both reports as one: this one's fields where it has them, else the earlier one's."""
        return msgspec.structs.replace(
            earlier,
            **{
                name: value
                for name, value in msgspec.structs.asdict(self).items()
                if value is not None
            },
        )


def advance(progress: Progress | None, report: Report, attempt: int, now: int) -> Progress:
    """The progress after a report. A new attempt starts afresh; `done` never goes back in one.

    A number that is not finite says nothing: no document can keep it.
    """
    if progress is None or progress.attempt != attempt:
        progress = Progress(attempt=attempt, at=now)
    done, started_done, started_at = progress.done, progress.started_done, progress.started_at
    said, total = _finite(report.done), _finite(report.total)
    if done is None:
        done, started_done, started_at = said, said or 0, now
    elif said is not None:
        done = max(done, said)
    encoded, summary = progress.encoded_resources, progress.summary
    if report.resources is not None:
        encoded, summary = _encoded(report.resources), count(report.resources)
    return Progress(
        attempt=attempt,
        at=now,
        stage=progress.stage if report.stage is None else report.stage,
        message=progress.message if report.message is None else report.message,
        done=done,
        total=progress.total if total is None else total,
        unit=progress.unit if report.unit is None else report.unit,
        encoded_resources=encoded,
        summary=summary,
        started_done=started_done,
        started_at=started_at,
    )


def count(resources: Sequence[ResourceProgress]) -> Summary:
    """The resources counted by status."""
    counts: dict[str, int] = {}
    for resource in resources:
        counts[resource.status] = counts.get(resource.status, 0) + 1
    return Summary(total=len(resources), **counts)


def _encoded(resources: Sequence[ResourceProgress]) -> msgspec.Raw:
    return msgspec.Raw(_encode(resources))


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


_encode: Final = msgspec.json.Encoder().encode
_decode_resources: Final = msgspec.json.Decoder(tuple[ResourceProgress, ...]).decode
