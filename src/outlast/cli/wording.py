"""Numbers, sizes and times as people read them."""

from datetime import UTC, datetime
from typing import Final

from outlast.client.answers import Operation
from outlast.clock import system_clock

_STEPS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_KIB: Final = 1024
_MANY: Final = 10_000
_PROMPT_SECONDS: Final = 10


def present() -> datetime:
    """The present instant."""
    return datetime.fromtimestamp(system_clock() / 1_000_000, UTC)


def duration(seconds: float) -> str:
    """As `0.4 s`, `12 s`, `3 min 20 s` or `2 d 4 h`."""
    if seconds < _PROMPT_SECONDS:
        return f"{max(0.0, seconds):.1f} s"
    whole = int(seconds)
    parts: list[str] = []
    for size, unit in _STEPS:
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def age(then: datetime) -> str:
    """As `3 min ago`."""
    seconds = (present() - then).total_seconds()
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def instant(then: datetime | None) -> str:
    """The local time, to the second."""
    return "" if then is None else then.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def moment(then: datetime) -> str:
    """The local time; with the date if it is not today's."""
    local = then.astimezone()
    is_today = local.date() == present().astimezone().date()
    return local.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M")


def size(count: float) -> str:
    """As `5.5 MiB`."""
    for unit in _SIZES:
        if count < _KIB or unit == _SIZES[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KIB
    return ""


def number(value: float) -> str:
    """As `336,776` or `0.25`."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= _MANY else f"{value:,.3g}"


def took(operation: Operation) -> str:
    """How long an operation has run, or ran."""
    if operation.started_at is None:
        return ""
    end = operation.finished_at or present()
    return duration((end - operation.started_at).total_seconds())


def phase(operation: Operation) -> str:
    """The state, with what its fields say of it: scheduled, retrying, cancelling."""
    if operation.state == "running" and operation.cancel_requested_at is not None:
        return "cancelling"
    if operation.state == "pending" and operation.attempt > 0:
        return "retrying"
    if (
        operation.state == "pending"
        and operation.available_at is not None
        and operation.available_at > present()
    ):
        return "scheduled"
    return operation.state
