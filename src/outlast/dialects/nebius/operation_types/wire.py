"""What operations of every type share on the wire: sources, targets, and the fields around them."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec

from outlast.dialects.nebius.ids import read_id, show_id
from outlast.dialects.nebius.mappings import TextMapping
from outlast.dialects.nebius.words import Status
from outlast.operations.errors import Invalid
from outlast.operations.model import Operation
from outlast.operations.states import State

Seconds = Annotated[int, msgspec.Meta(description="Unix seconds", examples=[1614807352])]

_SOURCE: Final = re.compile(r"^src(\[\d+\])?(\.dataset)?")
_TARGET: Final = re.compile(r"^dst(\.dataset|\.version_name)?")
_TARGET_FIELDS: Final = {None: "", ".dataset": "[0].id", ".version_name": "[0].version"}


class OperationSource(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that an operation reads, and a version of it; without one, the current one.

    `type` says which of a fine-tuning's datasets it is. `mapping` says which columns stand for
    what.
    """

    id: Annotated[str, msgspec.Meta(min_length=1)]
    version: str | None = None
    type: Literal["train", "validation"] | msgspec.UnsetType = msgspec.UNSET
    mapping: TextMapping | msgspec.UnsetType | None = msgspec.UNSET


class OperationTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that an operation writes. `version` is null until there is one.

    In a request `version` is a name for the new version.
    """

    id: Annotated[str, msgspec.Meta(min_length=1)]
    version: str | None = None


class OperationRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The fields of every request. Without `dst` the rows go to a temporary dataset."""

    src: Sequence[OperationSource] = ()
    dst: Sequence[OperationTarget] | None = None
    ai_project_id: str | None = None


class OperationFields(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The fields of every operation."""

    id: Annotated[str, msgspec.Meta(examples=["3a3fd2317bbe4b3bb9842bc1b5275eb9"])]
    src: Sequence[OperationSource]
    dst: Sequence[OperationTarget]
    status: Status
    created_at: Seconds
    in_progress_at: Seconds | None
    finished_at: Seconds | None
    ai_project_id: str | None


class OperationWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks for: a spec of our kind, and how long it may take at most."""

    spec: dict[str, Any]
    window_seconds: int | None = None


class OperationConversion(Protocol):
    """One type of operation: from a request to a spec of our kind, and from there to the wire."""

    def wish(self, request: Any) -> OperationWish:
        """What a request asks for. Raises Invalid, naming fields of the request."""

    def response(self, operation: Operation, fields: Mapping[str, Any]) -> OperationFields:
        """The operation on the wire; `fields` are those that all types have but src and dst."""

    def wire_path(self, path: str) -> str:
        """Where the request has what a path of the spec names."""


def spec_of(operation: Operation) -> dict[str, Any]:
    """An operation's spec, decoded."""
    spec: dict[str, Any] = msgspec.json.decode(operation.spec)
    return spec


def source_spec(source: OperationSource) -> dict[str, Any]:
    """A source as our kinds name it."""
    spec = {"dataset": read_id(source.id)}
    return spec if source.version is None else spec | {"version": source.version}


def source_on_wire(spec: Mapping[str, Any], **more: Any) -> OperationSource:
    """A source of a spec as the wire has it."""
    return OperationSource(id=show_id(spec["dataset"]), version=spec.get("version"), **more)


def target_spec(targets: Sequence[OperationTarget] | None) -> dict[str, Any]:
    """The part of a spec that says where rows go: none asks for a temporary dataset.

    Raises Invalid for more than one.
    """
    if not targets:
        return {}
    if len(targets) > 1:
        raise Invalid("an operation has one dst", field_errors={"dst": "has more than one"})
    target = targets[0]
    named = {} if target.version is None else {"version_name": target.version}
    return {"dst": {"dataset": read_id(target.id), **named}}


def target_on_wire(operation: Operation, spec: Mapping[str, Any]) -> list[OperationTarget]:
    """Where an operation's rows go, with the version that it has or shall have."""
    wanted = spec.get("dst") or {}
    version = wanted.get("version_name")
    if operation.state in {State.FAILED, State.CANCELLED}:
        version = None
    elif version is None and operation.result is not None:
        version = msgspec.json.decode(operation.result).get("version")
    return [OperationTarget(id=show_id(wanted.get("dataset") or operation.id), version=version)]


def request_path(path: str) -> str:
    """Where a request has what a path of a spec names: sources, the target, else parameters."""
    found = _SOURCE.match(path)
    if found:
        rest = path[found.end() :]
        return f"src{found[1] or ''}{'.id' if found[2] else ''}{rest}"
    found = _TARGET.match(path)
    if found:
        return f"dst{_TARGET_FIELDS[found[1]]}{path[found.end() :]}"
    return f"params.{path}"
