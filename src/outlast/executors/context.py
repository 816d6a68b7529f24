"""What every handler's Context has in common, wherever the handler runs."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from outlast.executors.outcomes import storable_text
from outlast.executors.port import Assignment
from outlast.operations import documents
from outlast.operations.progress import Report, ResourceProgress
from outlast.operations.states import check_event_type
from outlast.settings import Limits


class HandlerContext:
    """The part of Context that needs no channel: facts of the assignment, and the limits."""

    __slots__ = ("_assignment", "_limits")

    def __init__(self, assignment: Assignment, limits: Limits) -> None:
        self._assignment = assignment
        self._limits = limits

    @property
    def operation_id(self) -> str:
        """The operation's id."""
        return self._assignment.operation_id

    @property
    def attempt(self) -> int:
        """The attempt's number, from 1."""
        return self._assignment.attempt

    @property
    def deadline(self) -> float | None:
        """When the operation must have ended, in seconds since the epoch, or None."""
        deadline_at = self._assignment.deadline_at
        return None if deadline_at is None else deadline_at / 1_000_000

    @property
    def last_checkpoint(self) -> Any:
        """What an earlier attempt saved last, decoded, or None."""
        saved = self._assignment.checkpoint
        return None if saved is None else documents.decode(saved)

    @property
    def secrets(self) -> Mapping[str, str]:
        """The secrets that the kind declares, by name."""
        return self._assignment.secrets

    def report(
        self,
        done: float | None = None,
        total: float | None = None,
        *,
        unit: str | None = None,
        stage: str | None = None,
        message: str | None = None,
        resources: Sequence[ResourceProgress] | None = None,
    ) -> None:
        """Say how far the attempt has come. Raises TooLarge, Invalid."""
        report = Report(
            done=done, total=total, unit=unit, stage=stage, message=message, resources=resources
        )
        documents.check(documents.encode(report), self._limits.progress_bytes, "progress")
        self._send_report(report)

    def checkpoint(self, document: object) -> Awaitable[None]:
        """Save what the next attempt would start from. Raises TooLarge, Invalid, LeaseLost."""
        encoded = documents.encode(document)
        documents.check(encoded, self._limits.checkpoint_bytes, "the checkpoint")
        return self._send_checkpoint(encoded)

    def log(self, message: str) -> None:
        """Add a line to the operation's log."""
        for line in message.splitlines():
            self._send_log(storable_text(line)[: self._limits.log_line_bytes])

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        """Add an event to the operation's history. Raises TooLarge, Invalid."""
        check_event_type(type)
        encoded = documents.encode(data)
        documents.check(encoded, self._limits.event_bytes, "the event")
        self._send_event(type, encoded)

    def _send_report(self, report: Report) -> None:
        raise NotImplementedError

    def _send_checkpoint(self, document: bytes) -> Awaitable[None]:
        raise NotImplementedError

    def _send_log(self, line: str) -> None:
        raise NotImplementedError

    def _send_event(self, type: str, data: bytes) -> None:
        raise NotImplementedError
