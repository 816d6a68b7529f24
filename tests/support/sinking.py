"""A sink that remembers what it was told, and assignments for handlers of tests."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from outlast.executors.port import Assignment
from outlast.operations.progress import Report

MODULE = "handlers_for_tests"


class RecordingSink:
    """The worker's side of a Context, that remembers what it was told."""

    def __init__(self, folder: Path) -> None:
        self.reports: list[Report] = []
        self.checkpoints: list[Any] = []
        self.lines: list[str] = []
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self.cancels_seen = 0
        self.stored: dict[str, bytes] = {"known": b"known"}
        self.failing: Exception | None = None
        self._changed = asyncio.Event()

    def report(self, report: Report) -> None:
        self.reports.append(report)

    async def checkpoint(self, document: bytes) -> None:
        if self.failing is not None:
            raise self.failing
        await asyncio.sleep(0.01)
        self.checkpoints.append(msgspec.json.decode(document))

    def log(self, at: int, text: str) -> None:
        self.lines.append(text)
        self._changed.set()

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        self.events.append((type, data))

    def cancel_seen(self) -> None:
        self.cancels_seen += 1

    async def put_file(self, name: str, source: Path) -> None:
        self.stored[name] = source.read_bytes()  # noqa: ASYNC240  small

    async def get_file(self, name: str, target: Path) -> bool:
        if name in self.stored:
            target.write_bytes(self.stored[name])  # noqa: ASYNC240  small
        return name in self.stored

    async def list_files(self) -> Sequence[str]:
        return sorted(self.stored)

    async def logged(self) -> str:
        """The first line of the log, when there is one."""
        while not self.lines:
            self._changed.clear()
            await self._changed.wait()
        return self.lines[0]


def assignment(kind: str, plan: object = None, **fields: Any) -> Assignment:
    defaults: dict[str, Any] = {
        "operation_id": "01J00000000000000000",
        "attempt": 1,
        "lease_seconds": 30,
        "cancel_grace_seconds": 5,
        "module": MODULE,
    }
    return Assignment(kind=kind, plan=msgspec.json.encode(plan or {}), **(defaults | fields))
