"""The port of the executors: what a worker hands over, what it serves meanwhile, what comes back.

How an attempt ends, in this order:

1. It gave a result: `Finished`, even after it was asked to stop ("completed despite cancel").
2. Its handler raised `Retry` or `Fatal`: `Failed`, as it says, even after it was asked to stop.
3. It was asked to stop, or its lease ran out, and it ended without either, by an exception or by a
   kill: `Stopped`. An async handler gets CancelledError at once. A plain one polls `ctx.cancelled`
   and should raise `asyncio.CancelledError`; whatever it raises counts as having stopped.
4. Anything else: `Failed` with one of the platform's codes.

Every outcome is reported only when no process of the attempt is alive any more.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from outlast.operations.failure import Failure
from outlast.operations.kind import CatalogWrite
from outlast.operations.progress import Report

StopReason: TypeAlias = Literal["cancelled", "deadline", "lease", "released"]


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an attempt needs.

    `module` has `kinds: list[Kind]`, and `kind` names one of them. `plan` and `checkpoint` are
    JSON. `deadline_at` is in microseconds since the epoch; to act on it is the worker's part.
    `inputs` are staged read-only: name in the workdir -> local file. A source that the child can
    read but not alter (mode o+r, of another owner) is hard-linked, any other is copied; no source
    is changed.
    """

    operation_id: str
    kind: str
    module: str
    plan: bytes
    attempt: int
    deadline_at: int | None = None
    checkpoint: bytes | None = None
    secrets: Mapping[str, str] = {}
    inputs: Mapping[str, Path] = {}
    lease_seconds: float
    cancel_grace_seconds: float

    def __repr__(self) -> str:
        # Whoever logs it must not log the secrets.
        return f"Assignment({self.kind} {self.operation_id}, attempt {self.attempt})"


class Sink(Protocol):
    """The worker's side of a handler's Context. Called on the worker's event loop, in order.

    Paths that a sandboxed child names were checked to lie in its workdir, and are given as safely
    opened files: read or write the path as it stands, do not resolve it.
    """

    def report(self, report: Report) -> None:
        """Merge a report into the attempt's progress."""

    async def checkpoint(self, document: bytes) -> None:
        """Make a checkpoint durable. Raises LeaseLost."""

    def log(self, at: int, text: str) -> None:
        """Add one line to the operation's log. `at` is in microseconds since the epoch."""

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        """Add an event to the operation's history."""

    def cancel_seen(self) -> None:
        """The handler has noticed that it should stop. Called at most once."""

    async def put_file(self, name: str, source: Path) -> None:
        """Store a file's bytes under a name, replacing what was there."""

    async def get_file(self, name: str, target: Path) -> bool:
        """Write the named file's bytes to a path; False if there is no such file."""

    async def list_files(self) -> Sequence[str]:
        """The names stored so far, sorted."""


class PlainWrite(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="catalog_write"):
    """A CatalogWrite among the writes of an attempt; its `document` is in base64 there."""

    write: CatalogWrite


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The handler gave a result that fits its kind.

    Each of `writes` is JSON: a PlainWrite for a CatalogWrite, else the tagged struct that the
    handler returned. What a sandboxed kind returns was made by untrusted code.
    """

    result: bytes
    writes: Sequence[bytes] = ()


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The attempt failed. `after_seconds` is what a Retry asked for."""

    failure: Failure
    after_seconds: float | None = None


class Stopped(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The attempt ended because it was asked to, and nothing of it runs any more."""

    reason: StopReason


Outcome: TypeAlias = Finished | Failed | Stopped


class Running(Protocol):
    """One attempt under way. Its methods are called on the worker's loop, but for `renewed`."""

    @property
    def workdir(self) -> Path:
        """The attempt's own folder, kept until `discard`."""

    async def wait(self) -> Outcome:
        """How it ended. Returns only when no process of the attempt is alive; may be repeated."""

    def cancel(self, reason: StopReason) -> None:
        """Ask the handler to stop; kill it when the grace is over.

        The first reason that was given stands, unless a later one is `lease`.
        """

    def kill(self, reason: StopReason) -> None:
        """Kill it now. The reason stands as in `cancel`."""

    def renewed(self, sent_at: float) -> None:
        """The lease was renewed, by a request sent at this `time.monotonic()`. From any thread."""

    async def discard(self) -> None:
        """Remove the workdir. Once, after `wait` has returned."""


class Executor(Protocol):
    """Starts attempts."""

    async def open(self) -> None:
        """Get ready. Removes what dead workers left behind."""

    async def start(self, assignment: Assignment, sink: Sink) -> Running:
        """Start an attempt. When it has started, its inputs are staged.

        Raises UnknownKind for a kind that this worker does not have, Unavailable where a sandbox is
        needed and does not hold or no child can be started, and nothing runs then.
        """

    async def close(self) -> None:
        """Kill every attempt still under way and give everything back."""
