"""What callers can do with operations. Every call is made by a principal, within its tenant."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import (
    OwnPreparer,
    Preparer,
    TenantCatalog,
    decode_spec,
    prepare_operation,
)
from outlast.engine.retrying import copy_secrets, retry_of
from outlast.engine.sharing import Admission
from outlast.engine.watching import Hub, wait_for_change
from outlast.engine.wishes import Wish, check_wish, deadline_of, fingerprint_of, names_of
from outlast.operations import documents, ids, transitions
from outlast.operations.errors import (
    IdempotencyMismatch,
    Invalid,
    NotFound,
    OperationIdTaken,
    OutlastError,
    RevisionMismatch,
    TooLarge,
    UnknownKind,
)
from outlast.operations.kind import Kind
from outlast.operations.model import SECOND, HistoryEvent, Operation, Submission
from outlast.settings import Limits, Retention, Sharing
from outlast.store.port import (
    OFFSET_MAX,
    AuditEntry,
    AuditRecord,
    Change,
    Count,
    Created,
    Creation,
    LogLine,
    Page,
    Query,
    Store,
    Tombstone,
)

Outcome: TypeAlias = Created | OutlastError

_CREATE_TRIES: Final = 8


class Engine:
    """The use cases over a store. `kinds` is what this installation can run, by name."""

    def __init__(
        self,
        store: Store,
        kinds: Mapping[str, Kind],
        *,
        hub: Hub,
        limits: Limits,
        retention: Retention,
        preparer: Preparer | None = None,
        sharing: Callable[[], Sharing] = Sharing,
    ) -> None:
        self.store = store
        self.kinds = kinds
        self.limits = limits
        self._hub = hub
        self._retention_seconds = int(retention.operations_days * 86_400)
        self._tombstones_kept = int(retention.tombstones_days * 86_400 * SECOND)
        self._preparer = preparer or OwnPreparer()
        self._admission = Admission(store.operations, sharing)

    async def submit(self, principal: Principal, wish: Wish) -> Created:
        """Create one operation, durable on return. Raises what stands in its way."""
        outcome = (await self.submit_many(principal, [wish]))[0]
        if isinstance(outcome, OutlastError):
            raise outcome
        return outcome

    async def submit_many(self, principal: Principal, wishes: Sequence[Wish]) -> list[Outcome]:
        """Create operations, each with its own outcome. Raises Forbidden and TooLarge for all."""
        principal.require(Verb.SUBMIT)
        if len(wishes) > self.limits.batch:
            raise TooLarge(f"at most {self.limits.batch} operations at once")
        outcomes: list[Outcome | None] = [None] * len(wishes)
        creations: list[Creation] = []
        places: list[int] = []
        for place, wish in enumerate(wishes):
            try:
                documents.check(wish.spec, self.limits.spec_bytes, "spec")
                outcomes[place] = await self._earlier(principal, wish)
                if outcomes[place] is None:
                    await self._admission.admit(principal.tenant)
                    creations.append(await self._creation(principal, wish))
                    places.append(place)
            except OutlastError as error:
                outcomes[place] = error
        if creations:
            answers = await self.store.operations.create(creations)
            for place, answer in zip(places, answers, strict=True):
                lost_race = isinstance(answer, RevisionMismatch)
                outcomes[place] = (
                    await self._create_again(principal, wishes[place]) if lost_race else answer
                )
        return [outcome for outcome in outcomes if outcome is not None]

    async def check(self, principal: Principal, wish: Wish) -> None:
        """Raise what stands in the way of what the wish asks for, but for the room there is."""
        principal.require(Verb.SUBMIT)
        documents.check(wish.spec, self.limits.spec_bytes, "spec")
        await self._creation(principal, wish)

    async def creation(self, principal: Principal, wish: Wish) -> Creation:
        """What a wish comes to, for whoever stores many at once. Raises what stands in its way."""
        principal.require(Verb.SUBMIT)
        documents.check(wish.spec, self.limits.spec_bytes, "spec")
        await self._admission.admit(principal.tenant)
        return await self._creation(principal, wish)

    async def _create_again(self, principal: Principal, wish: Wish) -> Outcome:
        """Create one whose kind wrote what had changed meanwhile, as things are now."""
        answer: Outcome = RevisionMismatch()
        for _ in range(_CREATE_TRIES):
            try:
                creation = await self._creation(principal, wish)
            except OutlastError as error:
                return error
            [answer] = await self.store.operations.create([creation])
            if not isinstance(answer, RevisionMismatch):
                break
        return answer

    async def get(self, principal: Principal, ref: str) -> Operation:
        """The operation with this id, in any of its forms, or alias. Raises NotFound."""
        principal.require(Verb.READ)
        refs = [ref]
        decoded = ids.decode_any(ref)
        if decoded is not None and decoded != ref:
            refs.insert(0, decoded)
        for operation in await self.store.operations.get(principal.tenant, refs):
            if operation is not None:
                return operation
        raise NotFound("there is no such operation")

    async def find_tombstone(self, principal: Principal, ref: str) -> Tombstone:
        """What is left of an operation that is gone, by its id or alias. Raises NotFound."""
        principal.require(Verb.READ)
        id = ids.decode_any(ref) or ref
        found = await self.store.operations.find_tombstone(principal.tenant, id)
        since = self.store.operations.now() - self._tombstones_kept
        if found is None or found.gone_at <= since:
            raise NotFound("there is no such operation")
        return found

    async def find(self, principal: Principal, query: Query) -> Page:
        """One page of the tenant's operations, newest first."""
        principal.require(Verb.READ)
        if not 1 <= query.limit <= self.limits.page_size:
            raise Invalid(f"page_size must be from 1 to {self.limits.page_size}")
        if (query.resource_type is None) != (query.resource_id is None):
            raise Invalid("resource_type and resource_id go together")
        if query.offset > OFFSET_MAX:
            raise Invalid(f"a page begins at most at the operation {OFFSET_MAX:,} of a list")
        return await self.store.operations.find(
            msgspec.structs.replace(query, tenant=principal.tenant)
        )

    async def count(self, principal: Principal, wanted: Count) -> int:
        """How many operations the tenant has. Raises Invalid where they would be too many to count.

        By kind and state it counts any number of them, of a resource only so many.
        """
        principal.require(Verb.READ)
        wanted = msgspec.structs.replace(wanted, tenant=principal.tenant)
        count = await self.store.operations.count(wanted)
        if count is None:
            raise Invalid(
                f"the resource has more than {wanted.walked_max:,} operations, too many to count:"
                " ask for a status or a kind that has fewer"
            )
        return count

    async def cancel(
        self, principal: Principal, ref: str, request_id: str | None = None
    ) -> Operation:
        """Ask for an operation to be stopped. Raises IllegalTransition if it has ended."""
        operation = await self.get(principal, ref)
        principal.require_over(operation.created_by)
        return await self._apply(
            Change(
                id=operation.id,
                tenant=principal.tenant,
                decide=lambda stored, now: transitions.request_cancel(
                    stored, principal.member, now
                ),
                audit=_audit(principal, "operation.cancel", operation.id, request_id),
            )
        )

    async def delete(self, principal: Principal, ref: str, request_id: str | None = None) -> None:
        """Delete an operation that has ended, and all that is its own. Raises NotTerminal."""
        operation = await self.get(principal, ref)
        principal.require_over(operation.created_by)
        await self.store.operations.delete(
            principal.tenant,
            operation.id,
            _audit(principal, "operation.delete", operation.id, request_id),
        )

    async def retry(
        self,
        principal: Principal,
        ref: str,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
    ) -> Created:
        """A new operation like a failed or cancelled one, starting from its last checkpoint."""
        old = await self.get(principal, ref)
        principal.require_over(old.created_by)
        secrets = await copy_secrets(self.store.catalog, old, self.store.operations.now())
        wish = retry_of(old, secrets, idempotency_key=idempotency_key, request_id=request_id)
        return await self.submit(principal, wish)

    async def wait(
        self, principal: Principal, ref: str, seconds: float, revision: int | None = None
    ) -> Operation:
        """The operation, once its revision differs from `revision` or, without one, it has ended.

        Answers with what there is after `seconds`, which is cut to the limit.
        """
        operation = await self.get(principal, ref)
        seconds = min(seconds, self.limits.wait_seconds)
        if seconds <= 0 or _is_due(operation, revision):
            return operation
        started = self.store.operations.now()
        with self._hub.watching(operation.id) as changed:
            while not self._hub.is_closing:
                operation = await self.get(principal, operation.id)
                left = seconds - (self.store.operations.now() - started) / SECOND
                if _is_due(operation, revision) or left <= 0:
                    break
                await wait_for_change(changed, left)
        return operation

    async def watch(self, principal: Principal, ref: str) -> AsyncGenerator[Operation, None]:
        """The operation now, then after every change that can be seen, until it has ended."""
        operation = await self.get(principal, ref)
        with self._hub.watching(operation.id) as changed:
            operation = await self.get(principal, operation.id)
            yield operation
            while not operation.state.is_terminal and not self._hub.is_closing:
                await wait_for_change(changed, self.limits.wait_seconds)
                seen, operation = operation.revision, await self.get(principal, operation.id)
                if operation.revision != seen:
                    yield operation

    async def events(
        self, principal: Principal, ref: str, after: int = 0, limit: int = 500
    ) -> list[HistoryEvent]:
        """The operation's history, in order, after an event's number."""
        operation = await self.get(principal, ref)
        return await self.store.operations.events(operation.id, after, limit)

    async def log(
        self, principal: Principal, ref: str, after: int = 0, limit: int = 1000
    ) -> list[LogLine]:
        """What the operation's handler logged, in order, after a line's number."""
        operation = await self.get(principal, ref)
        return await self.store.operations.log(operation.id, after, limit)

    async def audit(
        self, principal: Principal, before: int | None = None, limit: int = 100
    ) -> list[AuditRecord]:
        """The tenant's audit records, newest first, with a number smaller than `before`."""
        principal.require(Verb.ADMINISTER)
        return await self.store.operations.audit(principal.tenant, before, limit)

    @property
    def watchers(self) -> int:
        """How many wait for changes at present."""
        return self._hub.count

    async def _apply(self, change: Change) -> Operation:
        answer = (await self.store.operations.apply([change]))[0]
        if isinstance(answer, OutlastError):
            raise answer
        return answer

    async def _earlier(self, principal: Principal, wish: Wish) -> Created | None:
        """What the same call made when it was made before.

        Looked for before the wish is checked: a name may be taken by what that call made, and a
        deadline may have passed since. The store looks again, for calls that come at once.
        """
        refused: type[OutlastError] = IdempotencyMismatch
        found = None
        if wish.idempotency_key is not None:
            found = await self.store.operations.find_by_key(principal.tenant, wish.idempotency_key)
        if found is None and wish.operation_id is not None:
            refused = OperationIdTaken
            ref = ids.decode_any(wish.operation_id) or wish.operation_id
            [found] = await self.store.operations.get(principal.tenant, [ref])
        if found is None:
            return None
        if found.fingerprint != fingerprint_of(wish):
            raise refused
        return Created(found, is_new=False)

    async def _creation(self, principal: Principal, wish: Wish) -> Creation:
        kind = self.kinds.get(wish.kind)
        if kind is None or kind.is_part:
            raise UnknownKind(f"there is no kind {wish.kind!r} here; see /v1/kinds")
        if kind.verb is not None:
            principal.require(Verb(kind.verb))
        now = self.store.operations.now()
        check_wish(wish, self.limits, now)
        decode_spec(kind, wish.spec)
        catalog = TenantCatalog(self.store.catalog, principal.tenant, writes=wish.writes)
        made = await prepare_operation(self._preparer, self.kinds, kind, wish.spec, catalog)
        for other in made.kinds[1:]:
            if other.verb is not None:
                principal.require(Verb(other.verb))
        prepared = made.prepared
        if prepared.owner is not None:
            principal.require_over(prepared.owner)
        operation_id, alias = names_of(wish.operation_id, now)
        named = operation_id or alias or wish.idempotency_key
        submission = Submission(
            tenant=principal.tenant,
            created_by=principal.member,
            kind=kind.name,
            kind_version=kind.version,
            spec=wish.spec,
            alias=alias,
            labels=wish.labels,
            project=wish.project,
            project_version=wish.project_version,
            resource_type=prepared.resource_type or wish.resource_type,
            resource_id=prepared.resource_id or wish.resource_id,
            priority=wish.priority,
            concurrency_key=prepared.concurrency_key,
            available_at=wish.available_at,
            deadline_at=deadline_of(wish, now),
            attempts_max=made.runs.retry.attempts_max,
            checkpoint=wish.checkpoint,
            idempotency_key=wish.idempotency_key,
            fingerprint=fingerprint_of(wish) if named else None,
            request_id=wish.request_id,
            traceparent=wish.traceparent,
            parent_id=wish.parent_id,
            retention_seconds=self._retention_seconds,
        )
        return Creation(
            submission=submission,
            operation_id=operation_id,
            writes=[*wish.writes, *prepared.writes],
            audit=_audit(principal, "operation.create", "", wish.request_id),
        )


def _is_due(operation: Operation, revision: int | None) -> bool:
    return operation.state.is_terminal if revision is None else operation.revision != revision


def _audit(principal: Principal, action: str, target: str, request_id: str | None) -> AuditEntry:
    return AuditEntry(actor=principal.member, action=action, target=target, request_id=request_id)
