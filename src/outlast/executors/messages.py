"""What a worker and a child say to each other. Each class is one message."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from outlast.executors.port import Assignment, Failed, Finished
from outlast.executors.sandbox import Lock, Locked
from outlast.operations.kind import Prepared
from outlast.operations.progress import Report
from outlast.settings import Limits


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="says", tag=True):
    pass


class Boot(_Message, frozen=True):
    """To the child, first: what to import, and how to lock itself before and after."""

    modules: Sequence[str]
    preload: Sequence[str] = ()
    lock: Lock | None = None


class Assigned(_Message, frozen=True):
    """To the child: the attempt to run. Its inputs are staged."""

    assignment: Assignment
    limits: Limits
    workdir: str


class Called(_Message, frozen=True):
    """To the child: one call of `module:function` with its arguments and the workdir.

    One that `reports` is given a third: a function that says how far it has come.
    """

    target: str
    arguments: bytes
    workdir: str
    reports: bool = False


class PrepareAsked(_Message, frozen=True):
    """To the child: check a spec, of an operation that there is or that is being created."""

    kind: str
    spec: bytes
    operation_id: str | None = None


class PartialAsked(_Message, frozen=True):
    """To the child: what shall be published of a checkpoint."""

    kind: str
    checkpoint: bytes


class CancelAsked(_Message, frozen=True):
    """To the child: stop soon."""


class Reply(_Message, frozen=True):
    """To the child: the answer to its request of that number."""

    number: int
    value: Any = None
    error: str | None = None
    lease_lost: bool = False


class Ready(_Message, frozen=True):
    """From the child: everything is imported, and the lock holds as far as it says."""

    pid: int
    locked: Locked | None = None


class BootFailed(_Message, frozen=True):
    """From the child: it cannot get ready."""

    message: str
    trace: str = ""


class Reported(_Message, frozen=True):
    """From the child: progress."""

    report: Report


class Logged(_Message, frozen=True):
    """From the child: a line for the log."""

    text: str


class Happened(_Message, frozen=True):
    """From the child: an event; its data is JSON."""

    type: str
    data: bytes


class CancelSeen(_Message, frozen=True):
    """From the child: the handler knows that it should stop."""


class SaveCheckpoint(_Message, frozen=True):
    """A request: make a checkpoint durable."""

    number: int
    document: bytes


class PutFile(_Message, frozen=True):
    """A request: store the file at this path."""

    number: int
    name: str
    path: str


class GetFile(_Message, frozen=True):
    """A request: write the named file to this path. Answered with whether there is one."""

    number: int
    name: str
    path: str


class ListFiles(_Message, frozen=True):
    """A request: the names stored so far."""

    number: int


class GetResource(_Message, frozen=True):
    """A request of `prepare`. Answered with a Resource or None."""

    number: int
    type: str
    id_or_name: str


class FindResources(_Message, frozen=True):
    """A request of `prepare`. Answered with Resources."""

    number: int
    type: str
    limit: int
    fields: Mapping[str, str]


class Ended(_Message, frozen=True):
    """From the child, last: how the handler ended. A verdict stands even after a cancel."""

    outcome: Finished | Failed
    verdict: bool = False
    lease_lost: bool = False


class SpecPrepared(_Message, frozen=True):
    """From the child: what `prepare` gave, its plan as JSON."""

    prepared: Prepared


class PartialMade(_Message, frozen=True):
    """From the child: publications, each as JSON."""

    publications: Sequence[bytes]


class Refused(_Message, frozen=True):
    """From the child: `prepare` raised an OutlastError of this class."""

    error: str
    message: str
    field_errors: Mapping[str, str] = {}
    details: Mapping[str, Any] = {}


class PrepareFailed(_Message, frozen=True):
    """From the child: `prepare` raised what it should not."""

    message: str
    trace: str


class CallEnded(_Message, frozen=True):
    """From the child: what the called function returned, as JSON."""

    value: bytes


Request: TypeAlias = SaveCheckpoint | PutFile | GetFile | ListFiles | GetResource | FindResources
FromChild: TypeAlias = (
    Ready
    | BootFailed
    | Reported
    | Logged
    | Happened
    | CancelSeen
    | Request
    | Ended
    | SpecPrepared
    | PartialMade
    | Refused
    | PrepareFailed
    | CallEnded
)
ToChild: TypeAlias = Boot | Assigned | Called | PrepareAsked | PartialAsked | CancelAsked | Reply
