"""What a kind is, and what its handler is given: the contract that users write against."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import msgspec

from outlast.operations.errors import Invalid
from outlast.operations.progress import ResourceProgress
from outlast.operations.retry import RetryPolicy
from outlast.operations.states import State

CONFIGURED_TYPES: Final = (
    "backend",
    "object_store",
    "installation",
    "service",
    "module",
    "instance_types",
    "evidence_key",
    "builtin_policy",
)
"""The types of resources that come from the settings, or the program: nobody writes them."""

OPERATION: Final = "operation"
"""The type under which a catalog shows operations, to be read: an OperationDocument each."""

KIND_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")

Executor = Literal["inline", "subprocess"]

_RESERVED_RESOURCES: Final = ("CPU", "GPU", "memory", "object_store_memory")


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt needs. `memory_bytes` limits its address space where the executor can.

    `custom` names what else a node of a cluster must have, and how much of it.
    """

    cpus: float = 1
    gpus: float = 0
    memory_bytes: int | None = None
    custom: Mapping[str, float] = {}

    def __post_init__(self) -> None:
        if min(self.cpus, self.gpus, *self.custom.values(), 0) < 0 or self.memory_bytes == 0:
            raise ValueError("an attempt cannot need less than nothing, nor run without memory")
        if self.custom.keys() & set(_RESERVED_RESOURCES):
            raise ValueError(f"{', '.join(_RESERVED_RESOURCES)} have fields of their own")


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that operations read and write: (tenant, type, id), a name, and a JSON document.

    `revision` counts its writes from 1. `fields` are the values that lists can filter by. `due_at`
    is the instant from which CatalogStore.due finds it, None if it never does.
    """

    tenant: str
    type: str
    id: str
    name: str
    document: bytes
    revision: int
    created_at: int
    updated_at: int
    fields: Mapping[str, str] = {}
    due_at: int | None = None


class CatalogWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A wish to change one resource of the operation's tenant, in the operation's transaction.

    `expected_revision`: 0, it must not exist, by id or by name; n, it must be at revision n; None,
    whatever is there. `document` None deletes it. Violated: ResourceExists or RevisionMismatch, and
    nothing of the transaction is kept. `is_owned`: the resource belongs to the operation that it is
    written with, and the store puts that operation's id into its indexed field `operation_id`.
    Raises Invalid for one of CONFIGURED_TYPES, and for OPERATION.
    """

    type: str
    id: str
    name: str = ""
    document: bytes | None = None
    fields: Mapping[str, str] = {}
    due_at: int | None = None
    expected_revision: int | None = None
    is_owned: bool = False

    def __post_init__(self) -> None:
        if self.type in CONFIGURED_TYPES:
            raise Invalid(f"resources of type {self.type} come from the settings alone")
        if self.type == OPERATION:
            raise Invalid("a catalog shows operations; it does not write them")


class OperationDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a catalog tells of an operation. Lists find them by `resource_type`, `resource_id`."""

    kind: str
    state: State
    created_by: str = ""


class Catalog(Protocol):
    """What `prepare` may read: the resources of the operation's tenant."""

    @property
    def operation_id(self) -> str | None:
        """The operation that an attempt is prepared of; None while it is being created."""

    async def get(self, type: str, id_or_name: str) -> Resource | None:
        """The resource with this id, else the one with this name, else None.

        What is written with the operation is found by its id as if it were there, at revision 0.
        """

    async def find(
        self,
        type: str,
        *,
        limit: int = 100,
        **fields: str,
    ) -> Sequence[Resource]:
        """Resources of a type whose indexed fields have these values, newest first."""


class Files(Protocol):
    """The operation's own files in the object store: they survive attempts and hosts."""

    def put(self, name: str, path: Path) -> None:
        """Store a file's bytes under a name, replacing what was there."""

    def get(self, name: str, path: Path) -> bool:
        """Write the named file's bytes to a path; False if there is no such file."""

    def list(self) -> Sequence[str]:
        """The names stored so far, sorted."""


class Context(Protocol):
    """What a handler is given beside its plan. The same on every executor.

    In an async handler `await` what `checkpoint` returns; in a plain one it is durable on return.
    """

    @property
    def operation_id(self) -> str:
        """The operation's id."""

    @property
    def attempt(self) -> int:
        """The attempt's number, from 1."""

    @property
    def deadline(self) -> float | None:
        """When the operation must have ended, in seconds since the epoch, or None."""

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to cancel. To look is to acknowledge: stop soon, or be killed."""

    @property
    def last_checkpoint(self) -> Any:
        """What an earlier attempt saved last, decoded, or None."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """The secrets that the kind declares, by name."""

    @property
    def workdir(self) -> Path:
        """An empty folder of this attempt's own. It is gone afterwards."""

    @property
    def files(self) -> Files:
        """The operation's own files."""

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
        """Say how far the attempt has come. Cheap: reports are merged before they are stored."""

    def checkpoint(self, document: object) -> Awaitable[None]:
        """Save what the next attempt would start from (JSON, at most 1 MiB)."""

    def log(self, message: str) -> None:
        """Add a line to the operation's log."""

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        """Add an event to the operation's history."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What `prepare` may return in place of a bare plan.

    `writes` take effect in the transaction that creates the operation. `inputs` are objects to be
    staged read-only into the attempt's folder: file name -> object-store key. `exports` are staged
    there too: file name -> the keys of a version's parts, which a locked child turns into one file
    of JSON lines. `late_inputs` are objects that an attempt may turn out not to need: a handler
    that asks `context.files.get` for one by its file name is brought a copy. `secrets` are resolved
    by the worker alone: a name that the kind declares -> `backend:NAME` (the key of that backend)
    or `sealed:ID` (a sealed secret of the tenant). `files_prefix` is where the object store keeps
    `context.files`, in place of a prefix of the operation's own: there they outlive it.
    `targets` are the ids of the datasets that the attempt may publish into, beside a temporary one
    of its own (None: any of the tenant's), and of the databases that it may change.

    `kind` names another kind of this installation, whose spec `plan` is then: that kind prepares
    and runs the operation, and may name a third. `owner` is the member whose thing it changes:
    others must be operators to create it. `concurrency_key`, and the resource that the
    operation is about (`resource_type` and `resource_id`), hold as they are when it is created, in
    place of what the kind and the caller say.
    """

    plan: Any
    writes: Sequence[CatalogWrite] = ()
    inputs: Mapping[str, str] = {}
    exports: Mapping[str, Sequence[str]] = {}
    late_inputs: Mapping[str, str] = {}
    secrets: Mapping[str, str] = {}
    files_prefix: str | None = None
    targets: Sequence[str] | None = None
    kind: str | None = None
    owner: str | None = None
    concurrency_key: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """What `run` may return in place of a bare result: writes that take effect with the success.

    Each write is a CatalogWrite, or a publication that a resource of this server understands (such
    as `outlast.resources.datasets.NewVersion`, which names files of the workdir).
    """

    result: Any
    writes: Sequence[Any] = ()


@dataclass(frozen=True)
class Kind:
    """A named type of operation. It has two halves.

    `prepare(spec, catalog)`, plain or async, runs in the server when the operation is created and
    again when an attempt starts: it checks the spec against what exists, raises Invalid, NotFound
    or Conflict at once, and resolves names into a plain plan. It must be quick. Without it the plan
    is the spec. `run(plan, context)`, plain or async, does the work on the executor with the plan
    alone. It returns the result or a Finish, or raises Retry or Fatal; anything else that it
    raises is a platform failure.

    `sandboxed` runs the attempt without network and without sight of the server's data. `preload`
    names modules that its child imports before it is locked. `environment` names the variables
    that the child may see. `secrets` names those that `prepare` may ask for; `NAME/*` is every one
    that begins so. `cancel_grace_seconds` overrides the server's: how long a handler may
    take to stop before it is killed. `concurrency_key` is a text, or a function of the spec: at
    most one operation runs per tenant and key. `partial` turns the last checkpoint into what is
    published when the operation ends failed or cancelled: publications that name files of
    `context.files`, never a dataset version. `verb` is what a caller's role must allow beside
    submitting. `is_part`: nobody submits it; other kinds name it in `Prepared.kind`.
    """

    name: str
    spec: Any = field(kw_only=True)
    result: Any = field(kw_only=True)
    run: Callable[[Any, Any], Any] = field(kw_only=True)
    prepare: Callable[[Any, Catalog], Any] | None = field(default=None, kw_only=True)
    plan: Any = field(default=None, kw_only=True)
    executor: Executor = field(default="subprocess", kw_only=True)
    retry: RetryPolicy = field(default=RetryPolicy(), kw_only=True)
    resources: Resources = field(default=Resources(), kw_only=True)
    secrets: tuple[str, ...] = field(default=(), kw_only=True)
    environment: tuple[str, ...] = field(default=(), kw_only=True)
    concurrency_key: str | Callable[[Any], str | None] | None = field(default=None, kw_only=True)
    sandboxed: bool = field(default=False, kw_only=True)
    preload: tuple[str, ...] = field(default=(), kw_only=True)
    partial: Callable[[Any], Sequence[Any]] | None = field(default=None, kw_only=True)
    verb: str | None = field(default=None, kw_only=True)
    is_part: bool = field(default=False, kw_only=True)
    cancel_grace_seconds: float | None = field(default=None, kw_only=True)
    version: str = field(default="1", kw_only=True)
    description: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if not KIND_NAME.fullmatch(self.name):
            raise ValueError(f"a kind's name must match {KIND_NAME.pattern}: {self.name!r}")
        if self.executor == "inline" and not inspect.iscoroutinefunction(self.run):
            raise ValueError(f"kind {self.name}: inline handlers must be async functions")
        if self.executor == "inline" and self.sandboxed:
            raise ValueError(f"kind {self.name}: an inline handler cannot be sandboxed")

    @property
    def plan_type(self) -> Any:
        """The type that the handler's first argument is decoded to."""
        if self.prepare is None:
            return self.spec
        return Any if self.plan is None else self.plan

    def key_for(self, spec: object) -> str | None:
        """The concurrency key of an operation with this spec."""
        return (
            self.concurrency_key(spec) if callable(self.concurrency_key) else self.concurrency_key
        )

    @property
    def summary(self) -> str:
        """One line that says what the kind does."""
        text = self.description or inspect.getdoc(self.run) or ""
        return text.strip().split("\n", 1)[0]
