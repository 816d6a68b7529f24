"""What a stack is, and how it is named. Pure.

In the catalog stands `stack`, under an id of ours; networks and clusters are stacks whose module is
bound to that word, and its name there is WORD/NAME, so that each word has names of its own. What it
consists of is told by its state, the tool's own document: sealed, in an object below the stack's
prefix. Every attempt writes an object of its own, whose name sorts behind all that were before; the
document names the one that is adopted, and one that sorts behind that is newer still.

Whose work is under way is told by the indexed field `operation_id`, as the store keeps it: that
operation was asked for last. The document names the last one that has succeeded.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from outlast.operations import documents, ids
from outlast.operations.errors import InvalidSpec, NotFound
from outlast.operations.kind import CatalogWrite, Resource

STACK: Final = "stack"
DEPLOYMENT: Final = "deployment"
"""A type of resource: the module as it was when an operation was asked to deploy it."""
OWNER: Final = "operation_id"
WORD: Final = "word"
CONNECTION: Final = "connection"
OUTPUTS_BYTES_MAX: Final = 64 * 1024
SECRET_VARIABLES_MAX: Final = 50
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_REF_CHARS_SHOWN: Final = 130

Word = Literal["stack", "network", "cluster"]
Status = Literal["deploying", "ready", "failed", "destroying"]
"""`failed`: what was asked for last has ended without success; what there was before still is."""


class ModulePin(msgspec.Struct, frozen=True, kw_only=True):
    """A module as it was when it was asked for. `key` is the object with its files.

    `environment` names the variables of the workers' environment that it may see.
    """

    name: str
    key: str
    environment: tuple[str, ...] = ()
    timeout_seconds: float = 6 * 3600


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What a module tells of what it made.

    One that is sensitive has no value here, nor has one that is left out for its size.
    """

    value: Any = None
    is_sensitive: bool = False
    is_left_out: bool = False


class DeploymentDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to an operation that deploys: the stack, and the module as it was then.

    `stack` is empty for a plan of one that does not exist.
    """

    stack: str
    module: ModulePin


class DriftedResource(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was changed by others: `update`, or `delete` if it is gone."""

    address: str
    type: str
    change: str


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What the last check found. No resource: all is as it was made."""

    operation_id: str
    resources: tuple[DriftedResource, ...] = ()


class StackDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a stack.

    Module, variables, secret names and connection are those of the last deployment that got as far
    as to change something. `operation_id` succeeded last. `state` is the key of the object with the
    state that is adopted, which tells of so many `resources`.
    """

    word: Word
    module: ModulePin
    variables: Mapping[str, Any] = {}
    secret_names: tuple[str, ...] = ()
    connection: str | None = None
    created_by: str = ""
    operation_id: str | None = None
    state: str | None = None
    resources: int = 0
    outputs: Mapping[str, Output] = {}
    drift: Drift | None = None


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """A stack as callers see it. `operation_id` is what was asked for last."""

    id: str
    name: str
    word: Word
    module: str
    module_version: str
    variables: Mapping[str, Any]
    secret_names: tuple[str, ...]
    connection: str | None
    status: Status
    resources: int
    outputs: Mapping[str, Output]
    drift: Drift | None
    created_at: int
    created_by: str
    updated_at: int
    operation_id: str


class StackState(msgspec.Struct, frozen=True, kw_only=True, tag="stack_state"):
    """What a handler publishes of a stack that it has changed, however that ended."""

    stack: str
    state: str
    module: ModulePin
    variables: Mapping[str, Any]
    secret_names: tuple[str, ...]
    connection: str | None
    resources: int
    outputs: Mapping[str, Output]
    is_done: bool = False


class StackDrift(msgspec.Struct, frozen=True, kw_only=True, tag="stack_drift"):
    """What a handler publishes when it has looked for what others changed."""

    stack: str
    resources: tuple[DriftedResource, ...]


class RemovedStack(msgspec.Struct, frozen=True, kw_only=True, tag="stack_removal"):
    """What a handler publishes when nothing is left of a stack."""

    stack: str


def check_name(name: str) -> str:
    """The name, if a stack may bear it. Raises InvalidSpec."""
    if not _NAME.fullmatch(name) or ids.decode_any(name) is not None:
        raise InvalidSpec(
            "a name has 1 to 100 of A-Z a-z 0-9 _ . -, begins with a letter, and does not look like"
            " an id of ours",
            field_errors={"name": "is not a name"},
        )
    return name


def catalog_name(word: Word, name: str) -> str:
    """Under which name the catalog keeps it."""
    return f"{word}/{name}"


def plain_name(resource: Resource) -> str:
    """What callers name it."""
    return resource.name.partition("/")[2]


def concurrency_key(id: str) -> str:
    """The key of all operations that touch the stack: one at a time."""
    return f"{STACK}:{id}"


def stacks_prefix(tenant: str) -> str:
    """Where the object store keeps the states of a tenant's stacks."""
    return f"tenant/{tenant}/stacks/"


def states_prefix(tenant: str, id: str) -> str:
    """Where the object store keeps the states of a stack."""
    return f"{stacks_prefix(tenant)}{id}/"


def stack_of(key: str) -> str:
    """The id of the stack that an object was stored for."""
    return key.split("/")[3]


def state_reference(id: str) -> str:
    """What stands for the key that seals a stack's states, where secrets are resolved."""
    return f"{STACK}:{id}"


def stack_document(resource: Resource) -> StackDocument:
    """What a stack's resource says."""
    return msgspec.json.decode(resource.document, type=StackDocument)


def change_stack(found: Resource, document: StackDocument, *, is_owned: bool) -> CatalogWrite:
    """The write of a stack's document, if it is still as it was found."""
    return CatalogWrite(
        type=STACK,
        id=found.id,
        name=found.name,
        document=documents.encode(document),
        fields={**found.fields, **fields_of(document)},
        expected_revision=found.revision,
        is_owned=is_owned,
    )


def fields_of(document: StackDocument) -> dict[str, str]:
    """What lists can find it by."""
    return {WORD: document.word, CONNECTION: document.connection or ""}


def no_stack(ref: str, word: Word | None = None) -> NotFound:
    """There is no such stack."""
    return NotFound(f"there is no {word or STACK} {ref[:_REF_CHARS_SHOWN]!r}")
