"""What the rest of the house asks of a store. The docstrings are the specification.

Two ports on one database: `OperationStore` and `CatalogStore`. The methods take batches, since
group commit is how databases get fast: whatever waits is written in one transaction, and each
caller is answered after the commit. An answer that is an OutlastError concerns one member of the
batch; the others are not touched by it. Raised is only what concerns all: Unavailable, StoreFull.

The domain decides, adapters lock and write: an adapter never chooses a state.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from outlast.operations.errors import OutlastError
from outlast.operations.kind import CatalogWrite, Resource
from outlast.operations.model import HistoryEvent, Operation, Submission, Transition
from outlast.operations.states import State
from outlast.settings import Sharing

Decide: TypeAlias = Callable[[Operation, int], Transition]
"""A decision of the domain: the stored operation and the store's time in, a transition out."""


OFFSET_MAX: Final = 10_000
"""How far from its beginning a list can be entered by number."""
WALKED_MAX: Final = 10_000
"""How many operations are counted one by one, where there is no counter for them."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to what: written in the transaction of the deed.

    `tenant` is whose audit log it belongs to; None: the tenant that is written to. `target` empty
    means the operation that is written.
    """

    tenant: str | None = None
    actor: str
    action: str
    target: str = ""
    request_id: str | None = None
    data: Mapping[str, Any] = {}


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A stored audit entry. `number` grows over all tenants."""

    number: int
    at: int
    tenant: str
    entry: AuditEntry


class Creation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation to create, and what shall be written with it or not at all.

    `operation_id` names the operation when the caller chose one of our own ids, else None.
    """

    submission: Submission
    operation_id: str | None = None
    writes: Sequence[CatalogWrite] = ()
    audit: AuditEntry | None = None


class Created(msgspec.Struct, frozen=True):
    """The outcome of a creation. `is_new` is False if an earlier one with the same key stands."""

    operation: Operation
    is_new: bool


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One decision to take on one operation, and what shall be written with it or not at all.

    `tenant` None crosses tenants (workers do). `writes` belong to the operation's tenant, and are
    made only when the decision changes the operation.
    """

    id: str
    tenant: str | None
    decide: Decide
    writes: Sequence[CatalogWrite] = ()
    audit: AuditEntry | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's request for work: at most `limit` operations of these kinds.

    `served` says how much a tenant was served lately, which counts as if so many of its operations
    were running; `after_tenant` is whose turn it was last. `sharing` is what tenants and kinds are
    held to; its tenants are ids.
    """

    kinds: frozenset[str]
    worker: str
    limit: int
    lease_seconds: float
    served: Mapping[str, float] = {}
    after_tenant: str = ""
    sharing: Sharing = Sharing()


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that a worker believes to hold."""

    id: str
    token: str


class Renewal(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one `Held`: whether it stands, and whether somebody asked to cancel."""

    id: str
    token: str
    is_held: bool
    cancel_requested: bool = False


class View(StrEnum):
    """How much of each operation a list shall read."""

    SUMMARY = "summary"
    """Without spec, result and checkpoint."""
    FULL = "full"


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A list of operations, newest first. Fields that are None or empty do not filter.

    `created_after` is inclusive, `created_before` exclusive. `before_id` is where a page begins:
    only operations with smaller ids. `offset` is how many of them are passed over, each of which
    costs a step; at most OFFSET_MAX.
    """

    tenant: str
    states: frozenset[State] = frozenset()
    kinds: frozenset[str] = frozenset()
    labels: Mapping[str, str] = {}
    resource_type: str | None = None
    resource_id: str | None = None
    project: str | None = None
    parent_id: str | None = None
    created_after: int | None = None
    created_before: int | None = None
    before_id: str | None = None
    offset: int = 0
    limit: int = 50
    view: View = View.SUMMARY


class Page(msgspec.Struct, frozen=True):
    """A slice of a list. `next_before_id` is where the next one begins, or None at the end."""

    operations: Sequence[Operation]
    next_before_id: str | None


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """Which operations shall be counted. Fields that are None or empty do not filter.

    `resource` is a type and an id: operations are looked at one by one, `walked_max` at most, all
    of the resource or, where there are few enough, all of the kinds and states.
    """

    tenant: str
    kinds: frozenset[str] = frozenset()
    states: frozenset[State] = frozenset()
    resource: tuple[str, str] | None = None
    walked_max: int = WALKED_MAX


class Tombstone(msgspec.Struct, frozen=True):
    """What is left of an operation for a while after it was pruned or deleted, at `gone_at`."""

    id: str
    tenant: str
    alias: str | None
    kind: str
    gone_at: int


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an operation's log. `number` counts from 1 per operation."""

    number: int
    at: int
    attempt: int
    text: str


class Changed(msgspec.Struct, frozen=True):
    """What may have changed since the last notice.

    `ids` None: any operation. `claimable`: a worker may find work.
    """

    ids: frozenset[str] | None
    claimable: bool


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about an adapter that change what others may do."""

    shared_by_hosts: bool


class OperationStore(Protocol):
    """Operations, their documents, history and logs."""

    @property
    def capabilities(self) -> Capabilities:
        """What this adapter can do."""

    def now(self) -> int:
        """The store's time, in microseconds since the epoch. Its clock rules."""

    async def create(self, creations: Sequence[Creation]) -> list[Created | OutlastError]:
        """Store new operations, durable on return.

        In this order: (1) an operation of the tenant with the same idempotency key: the same
        fingerprint gives that operation with `is_new` False, another one IdempotencyMismatch;
        (2) an operation of the tenant with the same alias, or any with the same id: with the same
        fingerprint that operation with `is_new` False, else OperationIdTaken; (3) the writes, as
        CatalogWrite says: ResourceExists or RevisionMismatch, and neither operation nor writes are
        kept; one that `is_owned` gets the new operation's id as its field `operation_id`; (4) the
        operation as `transitions.submit` makes it, with its first event.
        """

    async def get(self, tenant: str | None, refs: Sequence[str]) -> list[Operation | None]:
        """The operations with these ids or, for a tenant, aliases; None where there is none.

        `tenant` None crosses tenants.
        """

    async def find_by_key(self, tenant: str, idempotency_key: str) -> Operation | None:
        """The tenant's operation that was created under this idempotency key, or None."""

    async def find(self, query: Query) -> Page:
        """One page of a list."""

    async def count(self, wanted: Count) -> int | None:
        """How many operations there are, exactly, as of one moment after the call.

        By kind and state it costs the same however many there are. None: more than `walked_max`
        would have to be looked at.
        """

    async def apply(self, changes: Sequence[Change]) -> list[Operation | OutlastError]:
        """Take decisions, durable on return: NotFound, or what `decide` raises, or the operation.

        Each operation is locked, decided upon as it stands then, and written with its history
        event, the writes (owned as in `create`) and the audit entry. Changes of one operation in
        one batch are taken in the order given. A decision that returns the operation unchanged
        writes nothing.
        """

    async def claim(self, claim: Claim) -> list[Operation]:
        """Start attempts of pending operations that nobody holds, durable on return.

        Eligible: of one of the kinds; `available_at` is not later than now; the deadline has not
        passed; no operation with the same tenant and concurrency key is running; the tenant and
        the kind have room, in `running_max` and in `starts_per_minute`, which hold over all
        claims, also those at the same time. Each gets a lease of its own token.

        Tenants take turns: next is the one with the fewest running (more than RUNNING_COUNTED
        count as so many) and `served`, for its weight; among equals they go round in the order of
        their ids, beginning after `after_tenant`. Within a tenant higher priority goes first, then
        older.
        """

    async def count_pending(self, tenant: str, limit: int) -> int:
        """How many operations of the tenant are pending; `limit` if there are more."""

    async def renew(self, worker: str, held: Sequence[Held], lease_seconds: float) -> list[Renewal]:
        """Extend leases, in one transaction. A lease that is not held stays lost.

        A lease that has expired but was not reaped yet is still held, and is extended.
        """

    async def reap(self, limit: int) -> list[Operation]:
        """Apply `transitions.lose` to expired leases, `pass_deadline` to pending operations.

        Returns the operations as they stand afterwards, at most `limit`. Any process may call it.
        """

    async def prune(self, limit: int) -> int:
        """Delete at most `limit` operations whose `expire_at` has passed; returns how many.

        Each leaves a tombstone, as one that is deleted does.
        """

    async def find_tombstone(self, tenant: str, ref: str) -> Tombstone | None:
        """The tombstone of the tenant's operation with this id, else the newest of this alias."""

    async def prune_tombstones(self, before: int, limit: int) -> int:
        """Delete at most `limit` tombstones of what was gone before an instant; how many."""

    async def prune_audit(self, before: int, limit: int) -> int:
        """Delete at most `limit` audit records older than an instant, oldest first; how many."""

    async def delete(self, tenant: str, ref: str, audit: AuditEntry | None = None) -> Operation:
        """Delete a terminal operation with all that is theirs: NotFound, NotTerminal."""

    async def events(
        self, operation_id: str, after: int = 0, limit: int = 500
    ) -> list[HistoryEvent]:
        """History events with a number greater than `after`, in order."""

    async def append_log(
        self, held: Held, lines: Sequence[tuple[int, str]], bytes_max: int
    ) -> bool:
        """Add lines (instant, text) to an operation's log under its lease: LeaseLost.

        The log holds at most `bytes_max` bytes of text; what is over is dropped, and False says so.
        """

    async def log(self, operation_id: str, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """Log lines with a number greater than `after`, in order."""

    async def audit(
        self, tenant: str | None, before: int | None = None, limit: int = 100
    ) -> list[AuditRecord]:
        """Audit records, newest first, with a number smaller than `before`. None: all tenants."""

    def subscribe(self, notice: Callable[[Changed], None]) -> Callable[[], None]:
        """Call `notice` on the event loop after every commit, also of other processes.

        Returns a function that ends the subscription. A notice may be early, late or needless, but
        whoever looks on every notice, and once a second without one, misses nothing.
        """


class CatalogStore(Protocol):
    """Resources: (tenant, type, id), a name unique per tenant and type, and a JSON document."""

    async def read(self, tenant: str, type: str, id_or_name: str) -> Resource | None:
        """The resource with this id, else the one with this name, else None."""

    async def find(
        self,
        tenant: str,
        type: str,
        *,
        fields: Mapping[str, str] | None = None,
        before_id: str | None = None,
        after_id: str | None = None,
        limit: int = 100,
    ) -> list[Resource]:
        """Resources in descending order of id, whose indexed fields all have the given values.

        With `after_id`: in ascending order, from above it.
        """

    async def count(
        self, tenant: str, type: str, *, fields: Mapping[str, str] | None = None, limit: int
    ) -> int:
        """How many `find` finds, at most `limit`, without reading a document."""

    async def due(self, type: str, now: int, limit: int) -> list[Resource]:
        """Resources of all tenants whose `due_at` is not later than `now`, earliest first."""

    async def write(
        self, tenant: str, writes: Sequence[CatalogWrite], audit: AuditEntry | None = None
    ) -> list[Resource]:
        """All of the writes or none, durable on return; the resources written, in order.

        Raises ResourceExists or RevisionMismatch as CatalogWrite says, Invalid for a write that
        `is_owned`: there is no operation here that it could belong to.
        """


class Store(Protocol):
    """Both ports on one database, and its life."""

    @property
    def operations(self) -> OperationStore:
        """The port of operations."""

    @property
    def catalog(self) -> CatalogStore:
        """The port of resources."""

    async def open(self) -> None:
        """Connect, and refuse what cannot be served (a newer schema, an unsafe SQLite)."""

    async def close(self) -> None:
        """Finish what waits, then let go of every connection, thread and file."""
