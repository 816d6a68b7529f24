"""The child: imports a kind's module, locks itself if it must, waits, runs one thing, and ends.

It is started by a guard, with its channel as descriptor 3, and leaves by `os._exit`: what has been
said has been said, and no thread of a handler's can hold it up.
"""

import asyncio
import importlib
import inspect
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn

import msgspec

from outlast.executors.child_context import ChildContext
from outlast.executors.frames import ChildEnd
from outlast.executors.messages import (
    Assigned,
    Boot,
    BootFailed,
    Called,
    CallEnded,
    Ended,
    PartialAsked,
    PrepareAsked,
    Ready,
    Reported,
)
from outlast.executors.outcomes import (
    Handling,
    describe,
    is_verdict,
    outcome_of_error,
    result_invalid,
    trace,
)
from outlast.executors.port import Failed
from outlast.executors.preparation import answer_partial, answer_prepare
from outlast.executors.sandbox import Locked
from outlast.operations import documents
from outlast.operations.errors import LeaseLost, TooLarge
from outlast.operations.failure import Failure
from outlast.operations.kind import Kind
from outlast.operations.service import status_kinds

DATA_DESCRIPTOR: Final = 3


def main() -> NoReturn:
    """Boot, then serve until there is nothing left to do."""
    sock = socket.socket(fileno=DATA_DESCRIPTOR)
    sock.set_inheritable(False)
    # What is printed goes to the operation's log, line by line, also from one that will crash.
    sys.stdout.reconfigure(line_buffering=True, errors="replace")  # type: ignore[union-attr]
    channel = ChildEnd(sock)
    boot = channel.receive()
    if not isinstance(boot, Boot):
        _leave()
    try:
        kinds, locked = _boot(boot)
    except BaseException as error:  # noqa: BLE001  a module's import may raise anything
        channel.send(BootFailed(message=describe(error), trace=trace(error)))
        _leave()
    channel.send(Ready(pid=os.getpid(), locked=locked))
    while True:
        match channel.receive():
            case Assigned() as assigned:
                _run_attempt(channel, assigned, kinds, locked)
                _leave()
            case Called() as called:
                _run_call(channel, called, locked)
                _leave()
            case PrepareAsked() as asked:
                answer_prepare(channel, asked, kinds)
            case PartialAsked() as asked_partial:
                answer_partial(channel, asked_partial, kinds)
            case _:
                _leave()


def _boot(boot: Boot) -> tuple[Mapping[str, Kind], Locked | None]:
    shut = boot.lock.shut() if boot.lock else None
    modules = [importlib.import_module(name) for name in (*boot.preload, *boot.modules)]
    kinds = _kinds(modules[len(boot.preload) :])
    return kinds, shut.seal() if shut else None


def _kinds(modules: list[ModuleType]) -> dict[str, Kind]:
    found = [(*getattr(module, "kinds", ()), *status_kinds(module)) for module in modules]
    return {kind.name: kind for kinds in found for kind in kinds}


def _run_attempt(
    channel: ChildEnd, assigned: Assigned, kinds: Mapping[str, Kind], locked: Locked | None
) -> None:
    workdir = _enter(assigned.workdir, locked)
    name = assigned.assignment.kind
    if name not in kinds:
        message = f"module {assigned.assignment.module} has no kind {name!r}"
        failure = Failure(code="unknown_kind", message=message, fault="platform", retryable=True)
        channel.send(Ended(outcome=Failed(failure=failure)))
        return
    context = ChildContext(channel, assigned, workdir)
    handling = Handling(kinds[name], assigned.limits)
    try:
        plan = handling.decode_plan(assigned.assignment.plan)
        try:
            value = _call_handler(handling.kind.run, plan, context)
        finally:
            context.flush()
    except BaseException as error:  # noqa: BLE001  the edge of an attempt
        ended = _ended_by_error(error, locked)
    else:
        ended = Ended(outcome=handling.outcome_of_value(value))
    try:
        channel.send(ended)
    except (TypeError, TooLarge) as error:
        channel.send(Ended(outcome=Failed(failure=result_invalid(describe(error)))))


def _call_handler(run: Callable[..., Any], plan: Any, context: ChildContext) -> Any:
    if not inspect.iscoroutinefunction(run):
        context.serve(on_cancel=lambda: None)
        return run(plan, context)
    # Never closed: that would wait for the threads that the handler left behind.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    task = loop.create_task(run(plan, context))

    def deliver() -> None:
        if not task.done():
            context.acknowledge()
            task.cancel()

    context.serve(on_cancel=lambda: loop.call_soon_threadsafe(deliver))
    return loop.run_until_complete(task)


def _ended_by_error(error: BaseException, locked: Locked | None) -> Ended:
    outcome = outcome_of_error(error)
    if locked is not None and isinstance(error, ImportError):
        hint = "a sandboxed child cannot import once it is locked; name the module in Kind.preload"
        message = f"{outcome.failure.message} ({hint})"
        outcome = Failed(failure=msgspec.structs.replace(outcome.failure, message=message))
    return Ended(
        outcome=outcome, verdict=is_verdict(error), lease_lost=isinstance(error, LeaseLost)
    )


def _run_call(channel: ChildEnd, called: Called, locked: Locked | None) -> None:
    workdir = _enter(called.workdir, locked)
    module, _, function = called.target.partition(":")
    try:
        call = getattr(sys.modules[module], function)
        reporting = (lambda report: channel.send(Reported(report=report)),)
        value = call(called.arguments, workdir, *(reporting if called.reports else ()))
        channel.send(CallEnded(value=documents.encode(value)))
    except BaseException as error:  # noqa: BLE001  the edge of a call
        ended = _ended_by_error(error, locked)
        channel.send(ended)


def _enter(workdir: str, locked: Locked | None) -> Path:
    """Go to the workdir; the path by which this user can reach it."""
    if locked is None:
        os.chdir(workdir)
        return Path(workdir)
    # It is there already, and may not be allowed to walk there from the root.
    path = workdir if os.access(workdir, os.X_OK) else os.curdir
    os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = path
    return Path(path)


def _leave() -> NoReturn:
    with suppress(Exception):
        sys.stdout.flush()
    with suppress(Exception):
        sys.stderr.flush()
    os._exit(0)
