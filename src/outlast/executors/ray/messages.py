"""What a worker and the host of an attempt on a node say to each other. Each class is one message.

Times are of the node's monotonic clock. At most one file is on its way in each direction: its
`Part`s come right before the message that says what it is.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from outlast.executors.frames import FRAME_BYTES_MAX, HEADER, Garbage
from outlast.executors.launching import Blueprint
from outlast.executors.messages import CancelSeen, Happened, Logged, Reported
from outlast.executors.port import Assignment, Failed, Finished, Stopped, StopReason
from outlast.settings import Limits

PART_BYTES: Final = 1 << 20
VERSION: Final = version("outlast")
"""Both sides must be of one: these messages have no other promise."""

_M = TypeVar("_M")


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="says", tag=True):
    pass


class Part(_Message, frozen=True):
    """The next bytes of the file that is on its way."""

    data: bytes


class Begin(_Message, frozen=True):
    """To the node, first: what to run, without its inputs. `path` is where its modules may be.

    `environment` is what the worker has of the variables that the kind declares.
    """

    assignment: Assignment
    blueprint: Blueprint
    limits: Limits
    path: Sequence[str]
    environment: Mapping[str, str]
    allow_unsandboxed: bool


class Input(_Message, frozen=True):
    """To the node, before Go: the file is an input of this name."""

    name: str


class Go(_Message, frozen=True):
    """To the node: everything is there. The lease was renewed at `renewed_at`."""

    renewed_at: float


class Renewed(_Message, frozen=True):
    """To the node: the lease was renewed."""

    renewed_at: float


class StopAsked(_Message, frozen=True):
    """To the node: cancel the attempt, or kill it."""

    reason: StopReason
    is_kill: bool


class Reply(_Message, frozen=True):
    """To the node: the answer to its request; it sends no other one before."""

    value: Any = None
    error: str | None = None
    lease_lost: bool = False


class Hello(_Message, frozen=True):
    """From the node, first: who is there."""

    version: str
    node: str
    now: float


class Beat(_Message, frozen=True):
    """From the node, all the time: the host lives, and this is its clock."""

    now: float


class Started(_Message, frozen=True):
    """From the node: the handler runs."""


class SaveCheckpoint(_Message, frozen=True):
    """A request: make a checkpoint durable."""

    document: bytes


class PutFile(_Message, frozen=True):
    """A request: store the file under this name."""

    name: str


class GetFile(_Message, frozen=True):
    """A request: send the named file. Answered with whether there is one."""

    name: str


class ListFiles(_Message, frozen=True):
    """A request: the names stored so far."""


class Output(_Message, frozen=True):
    """From the node, before Concluded: the file is the one of this name in the workdir."""

    name: str


class Concluded(_Message, frozen=True):
    """From the node, last: how the attempt ended. Nothing of it is left but this host."""

    outcome: Finished | Failed | Stopped


Request: TypeAlias = SaveCheckpoint | PutFile | GetFile | ListFiles
ToNode: TypeAlias = Begin | Part | Input | Go | Renewed | StopAsked | Reply
FromNode: TypeAlias = (
    Hello
    | Beat
    | Started
    | Reported
    | Logged
    | Happened
    | CancelSeen
    | Part
    | Request
    | Output
    | Concluded
)


class Unframer(Generic[_M]):
    """Makes messages of the bytes that a pipe brings, however they are cut."""

    def __init__(self, type_: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[_M] = msgspec.msgpack.Decoder(type_)
        self._waiting = bytearray()

    def feed(self, data: bytes) -> list[_M]:
        """The messages that are complete now. Raises Garbage."""
        waiting = self._waiting
        waiting += data
        messages: list[_M] = []
        start = 0
        while len(waiting) - start >= HEADER.size:
            (size,) = HEADER.unpack_from(waiting, start)
            if size > FRAME_BYTES_MAX:
                raise Garbage(f"a frame of {size} bytes; at most {FRAME_BYTES_MAX} are allowed")
            end = start + HEADER.size + size
            if len(waiting) < end:
                break
            try:
                messages.append(self._decoder.decode(bytes(waiting[start + HEADER.size : end])))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise Garbage(f"not a frame: {error}") from error
            start = end
        del waiting[:start]
        return messages
