"""Following an operation to its end, and telling how it ended."""

from collections.abc import Iterator
from typing import Any, Final

from rich.live import Live

from outlast.cli.exits import Exit, exit_of
from outlast.cli.live import OperationView, progress_text
from outlast.cli.resources import count_words, show_resources
from outlast.cli.screen import Screen, cell, labels
from outlast.cli.session import Session
from outlast.cli.wording import age, duration, instant, phase, took
from outlast.client.answers import Failure, Operation

_GLANCE_CHARS: Final = 150


def follow(session: Session, ref: str) -> Exit:
    """Show every change of an operation until it has ended; the exit code for its end."""
    screen = session.screen
    changes = session.client.watch(ref)
    operation = next(changes)
    if screen.is_terminal:
        operation = _follow_live(session, changes, operation)
        show_outcome(screen, operation)
        return exit_of(operation)
    _tell_change(screen, operation)
    for operation in changes:
        _tell_change(screen, operation)
    if not screen.is_json:
        show_outcome(screen, operation)
    return exit_of(operation)


def show_outcome(screen: Screen, operation: Operation) -> None:
    """How an operation ended: its result, or why there is none."""
    if screen.is_json:
        screen.json(operation)
        return
    ran = f" after {took(operation)}" if took(operation) else ""
    match operation.state:
        case "succeeded":
            screen.line(f"Succeeded{ran}.", "green")
            screen.details(_result_details(operation.result))
        case "failed":
            screen.line(f"Failed{ran}.", "red")
            if operation.failure is not None:
                screen.details(failure_details(operation.failure))
        case "cancelled":
            screen.line(f"Cancelled{ran}.", "magenta")
        case _:
            show_operation(screen, operation)


def show_operation(screen: Screen, operation: Operation) -> None:
    """All there is to know about an operation."""
    if screen.is_json:
        screen.json(operation)
        return
    pairs: list[tuple[str, object]] = [
        ("id", operation.id),
        ("alias", operation.alias),
        ("kind", operation.kind),
        ("state", phase(operation)),
        ("created", f"{instant(operation.created_at)} ({age(operation.created_at)})"),
        ("created by", operation.created_by),
        ("available", instant(operation.available_at) if operation.started_at is None else ""),
        ("deadline", instant(operation.deadline_at)),
        ("ran for", took(operation)),
        ("attempt", f"{operation.attempt} of {operation.attempts_max}"),
        ("priority", operation.priority or ""),
        ("labels", labels(operation.labels)),
        ("project", operation.project),
        ("resource", _resource(operation)),
        ("retry of", operation.parent_id),
        ("progress", _progress(operation)),
    ]
    why = [] if operation.failure is None else failure_details(operation.failure)
    resources = () if operation.progress is None else operation.progress.resources
    pairs.append(("resources", count_words(resources)))
    screen.details([*pairs, *why, ("spec", operation.spec), ("result", operation.result)])
    if resources:
        show_resources(screen, resources)


def failure_details(failure: Failure) -> list[tuple[str, object]]:
    """Why it failed, and who can mend it."""
    whose = {"user": "yours to mend", "platform": "the server's"}.get(failure.fault, failure.fault)
    return [
        ("failure", failure.code),
        ("message", failure.message),
        ("fault", whose),
        *((f"field {name}", reason) for name, reason in failure.field_errors.items()),
        ("details", dict(failure.details)),
    ]


def _follow_live(session: Session, changes: Iterator[Operation], operation: Operation) -> Operation:
    view = OperationView(operation)
    session.on_retry = view.trouble
    try:
        with Live(view, console=session.screen.console, refresh_per_second=8):
            for operation in changes:  # noqa: PLR1704  the last one is what counts
                view.show(operation)
    finally:
        session.on_retry = None
    return operation


def _tell_change(screen: Screen, operation: Operation) -> None:
    if screen.is_json:
        screen.json(operation)
        return
    ran = took(operation) or duration(0)
    screen.line(f"{ran:>10}  {phase(operation):<10}  {_progress(operation)}".rstrip())


def _progress(operation: Operation) -> str:
    progress = operation.progress
    if progress is None:
        return ""
    is_running = operation.state == "running"
    parts = (progress_text(progress, is_running=is_running), progress.stage, progress.message)
    return "  ".join(part for part in parts if part)


def _result_details(result: Any) -> list[tuple[str, object]]:
    """A result at a glance; `outlast get` shows it whole."""
    if not isinstance(result, dict):
        return [("result", _glance(result))]
    return [(name, _glance(value)) for name, value in result.items()]


def _glance(value: Any) -> str:
    text = cell(value)
    return text if len(text) <= _GLANCE_CHARS else f"{text[:_GLANCE_CHARS]} ..."


def _resource(operation: Operation) -> str:
    if operation.resource_type is None:
        return ""
    return f"{operation.resource_type}/{operation.resource_id}"
