"""The states of stacks as objects: how they are called, and sealed. Pure.

A state tells of everything that a stack consists of, passwords included. It is sealed with keys of
its stack's own, which attempts are given; the keys of the installation they never see.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from outlast.operations.errors import SecretMissing
from outlast.resources.keyring import Sealed, read_keys

_NAME: Final = re.compile(r"(\d{8})-[0-9A-Z]{20}-\d{4}")
NO_STATE: Final = msgspec.Raw(b"null")
_KEYS: Final = "the keys of a stack"


class KeptState(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed: the tool's state (null: there is nothing yet) and the secret variables."""

    state: msgspec.Raw = NO_STATE
    secret_variables: Mapping[str, Any] = {}


class StateSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a state tells that is no secret."""

    resources: int = 0
    outputs: Mapping[str, "StateOutput"] = {}


class StateOutput(msgspec.Struct, frozen=True, kw_only=True):
    """An output as the tool keeps it."""

    value: Any = None
    sensitive: bool = False


class _Resource(msgspec.Struct):
    mode: str = "managed"
    instances: list[msgspec.Raw] = []


class _State(msgspec.Struct):
    resources: list[_Resource] = []
    outputs: dict[str, StateOutput] = {}


def seal_state(keys: str, kept: KeptState, name: str) -> bytes:
    """The content of the object of this name."""
    sealed = read_keys(keys, _KEYS).seal(msgspec.json.encode(kept), name.encode())
    return msgspec.json.encode(sealed)


def open_state(keys: str, content: bytes, name: str) -> KeptState:
    """What was sealed under this name. Raises SecretMissing."""
    try:
        sealed = msgspec.json.decode(content, type=Sealed)
    except msgspec.DecodeError as error:
        raise SecretMissing(f"the state {name} is not what was stored") from error
    opened = read_keys(keys, _KEYS).open(sealed, name.encode())
    return msgspec.json.decode(opened, type=KeptState)


def newest_state(names: Sequence[str]) -> str | None:
    """The last one of the names that are states'."""
    return max((name for name in names if _NAME.fullmatch(name)), default=None)


def next_state(newest: str | None, operation_id: str, attempt: int) -> str:
    """What an attempt calls its state, which sorts behind the newest that it has found."""
    number = 0 if newest is None else int(newest[:8])
    return f"{number + 1:08}-{operation_id}-{attempt:04}"


def read_state(state: bytes) -> StateSummary:
    """What a state tells. Raises msgspec.DecodeError for one that is not whole."""
    read = msgspec.json.decode(state, type=_State)
    managed = [one for one in read.resources if one.mode == "managed"]
    return StateSummary(resources=sum(len(one.instances) for one in managed), outputs=read.outputs)
