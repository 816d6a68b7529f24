"""The resources of a deployment, and where each of them stands. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from outlast.kinds.infrastructure.stream import Counts, Hook, Line, StreamResource
from outlast.operations.progress import ResourceProgress, ResourceStatus

_SAME: Final = "same"
_REPLACE: Final = ("delete", "create")
"""A replacement is two changes of one address: each starts and ends by itself."""


class Row(msgspec.Struct):
    """A change of one resource."""

    resource: StreamResource
    action: str
    status: ResourceStatus = "pending"
    started_at: float | None = None
    seconds: float | None = None


class ResourceTable:
    """Follows the tool's lines. Times are seconds of any clock that does not go back.

    `prefix` begins the name that a resource has in all the world. `conceal` takes secrets out of
    names: what is secret may be the key of a resource.
    """

    def __init__(self, prefix: str, conceal: Callable[[str], str] = str) -> None:
        self._prefix = prefix
        self._conceal = conceal
        self._rows: dict[tuple[str, str], Row] = {}
        self.planned = Counts()
        self.applied: Counts | None = None

    def read(self, line: Line, now: float) -> Row | None:
        """Take a line in; the row that has just ended with it, if one has."""
        if line.changes is not None:
            if line.changes.operation == "plan":
                self.planned = line.changes
            else:
                self.applied = line.changes
        if line.type == "planned_change" and line.change is not None:
            self._plan(line.change.resource, line.change.action)
        if line.hook is None:
            return None
        match line.type:
            case "refresh_start":
                self._begin(line.hook, _SAME, now)
            case "refresh_complete":
                self._end(line.hook, _SAME, "unchanged", now)
            case "apply_start":
                self._begin(line.hook, line.hook.action, now)
            case "apply_complete":
                return self._end(line.hook, line.hook.action, "succeeded", now)
            case "apply_errored":
                return self._end(line.hook, line.hook.action, "failed", now)
        return None

    def shown(self, now: float) -> Sequence[ResourceProgress]:
        """All of them, in the order in which they became known."""
        return [
            ResourceProgress(
                urn=self._prefix + row.resource.addr,
                type=row.resource.resource_type,
                name=row.resource.name,
                operation=row.action,
                status=row.status,
                duration_seconds=_duration(row, now),
            )
            for row in self._rows.values()
        ]

    @property
    def counts(self) -> tuple[int, int] | None:
        """How many changes have ended, of how many; None before the first has begun."""
        if not self.is_applying:
            return None
        changes = list(self.changes())
        return sum(row.status not in {"pending", "running"} for row in changes), len(changes)

    @property
    def is_applying(self) -> bool:
        """Whether anything was changed, or begun to be."""
        return any(row.started_at is not None for row in self.changes())

    def changes(self) -> Iterator[Row]:
        """Those that are more than looked at."""
        return (row for row in self._rows.values() if row.action not in {_SAME, "read"})

    def _plan(self, resource: StreamResource, action: str) -> None:
        self._rows.pop((resource.addr, _SAME), None)
        for one in _REPLACE if action == "replace" else (action,):
            status: ResourceStatus = "unchanged" if one in {"move", "forget", "noop"} else "pending"
            self._rows[resource.addr, one] = Row(self._shown(resource), one, status)

    def _begin(self, hook: Hook, action: str, now: float) -> None:
        row = self._row(hook.resource, action)
        row.status, row.started_at, row.seconds = "running", now, None

    def _end(self, hook: Hook, action: str, status: ResourceStatus, now: float) -> Row:
        row = self._row(hook.resource, action)
        # The tool counts whole seconds only.
        row.seconds = hook.elapsed_seconds if row.started_at is None else now - row.started_at
        row.status = status
        return row

    def _row(self, resource: StreamResource, action: str) -> Row:
        key = (resource.addr, action)
        if key not in self._rows:
            self._rows[key] = Row(self._shown(resource), action)
        return self._rows[key]

    def _shown(self, resource: StreamResource) -> StreamResource:
        key = resource.resource_key
        return msgspec.structs.replace(
            resource,
            addr=self._conceal(resource.addr),
            resource_key=self._conceal(key) if isinstance(key, str) else key,
        )


def _duration(row: Row, now: float) -> float | None:
    if row.status == "running" and row.started_at is not None:
        return round(now - row.started_at, 1)
    return None if row.seconds is None else round(row.seconds, 3)
