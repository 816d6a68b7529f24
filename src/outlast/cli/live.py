"""An operation that is watched, as a person sees it: a bar that moves, and the things worked on."""

import time
from collections.abc import Iterator
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from outlast.cli.resources import MARKS, counted, resource_rows
from outlast.cli.screen import STATE_STYLES, safe
from outlast.cli.wording import duration, number, phase, took
from outlast.client.answers import Operation, Progress

_WIDE: Final = 100
_BAR_WIDE: Final = 40
_BAR_NARROW: Final = 24


class OperationView:
    """Drawn again and again by rich; `operation` is replaced whenever it has changed."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self._trouble: str | None = None
        self._again_at = 0.0

    def show(self, operation: Operation) -> None:
        """Show this from now on."""
        self.operation = operation
        self._trouble = None

    def trouble(self, reason: str, seconds: float) -> None:
        """Show that the server does not answer, and when it is asked again."""
        self._trouble = reason
        self._again_at = time.monotonic() + seconds

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        operation = self.operation
        parts: list[RenderableType] = [self._headline()]
        if operation.progress is not None and operation.attempt == operation.progress.attempt:
            parts.extend(_progress(operation, operation.progress, options.max_width))
        if self._trouble is not None:
            left = max(0.0, self._again_at - time.monotonic())
            parts.append(
                Text(f"  no answer ({safe(self._trouble)}); asking again in {left:.0f} s", "yellow")
            )
        yield Group(*parts)

    def _headline(self) -> Text:
        operation = self.operation
        state = phase(operation)
        text = Text()
        text.append(f"{MARKS.get(state, '○')} {state}", style=STATE_STYLES.get(state, "bold"))
        text.append(f"  {operation.kind}  ", style="bold")
        text.append(operation.id, style="dim")
        if operation.attempt > 1:
            text.append(f"  attempt {operation.attempt} of {operation.attempts_max}")
        ran = took(operation)
        if ran:
            text.append(f"  {ran}", style="dim")
        return text


def progress_text(progress: Progress, *, is_running: bool = True) -> str:
    """How far it is, in one line: `45%  12,345 of 30,000 rows  1,200/s  12 s left`."""
    progress = counted(progress)
    parts: list[str] = []
    unit = f" {progress.unit}" if progress.unit else ""
    is_percent = progress.unit in {"%", "percent"}
    if progress.done is not None and progress.total:
        parts.append(f"{min(1.0, progress.done / progress.total):4.0%}")
        if not is_percent:
            parts.append(f"{number(progress.done)} of {number(progress.total)}{unit}")
    elif progress.done is not None:
        parts.append(f"{number(progress.done)}{unit}")
    failed = sum(one.status == "failed" for one in progress.resources)
    if failed:
        parts.append(f"{number(failed)} failed")
    if progress.rate_per_second and is_running and not is_percent:
        parts.append(f"{number(progress.rate_per_second)}/s")
    if progress.eta_seconds is not None and is_running:
        parts.append(f"{duration(progress.eta_seconds)} left")
    return "  ".join(parts)


def _progress(operation: Operation, progress: Progress, width: int) -> Iterator[RenderableType]:
    progress = counted(progress)
    has_total = progress.done is not None and bool(progress.total)
    is_running = operation.state == "running"
    if has_total or is_running:
        line = Table.grid(padding=(0, 2))
        line.add_column(no_wrap=True)
        line.add_column(no_wrap=True)
        bar = ProgressBar(
            total=progress.total or 100,
            completed=(progress.done or 0) if has_total else 0,
            width=_BAR_WIDE if width >= _WIDE else _BAR_NARROW,
            pulse=is_running and not has_total,
            animation_time=time.monotonic(),
            complete_style="cyan",
            finished_style="green",
        )
        line.add_row(bar, Text(safe(progress_text(progress, is_running=is_running))))
        yield line
    words = "  ".join(part for part in (progress.stage, progress.message) if part)
    if words and is_running:
        yield Text(f"  {safe(words)}", style="dim", overflow="ellipsis", no_wrap=True)
    if progress.resources:
        yield resource_rows(progress.resources)
