"""One attempt: prepare, run on an executor, and one match that turns the outcome into an end."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Protocol, assert_never

import msgspec

from outlast.engine.preparing import Preparer, TenantCatalog
from outlast.executors.port import (
    Assignment,
    Executor,
    Failed,
    Finished,
    Outcome,
    PlainWrite,
    Running,
    Stopped,
    StopReason,
)
from outlast.operations import documents, transitions
from outlast.operations.errors import (
    Conflict,
    LeaseLost,
    NotFound,
    OutlastError,
    ResourceExists,
    RevisionMismatch,
    Unavailable,
)
from outlast.operations.failure import Failure, platform_failure
from outlast.operations.kind import CatalogWrite, Kind, Prepared
from outlast.operations.model import SECOND, Operation, Transition
from outlast.settings import Limits, Recovery
from outlast.store.port import Change, Decide, Renewal, Store
from outlast.worker.sink import AttemptFiles, AttemptSink

_PUBLISH_TRIES: Final = 8
_SETTLE_PAUSE_SECONDS: Final = 0.5

logger = logging.getLogger(__name__)


class Publisher(Protocol):
    """Turns what a handler wants to publish into catalog writes, after its attempt has ended."""

    async def publish(
        self, tenant: str, created_by: str, operation_id: str, document: bytes, workdir: Path
    ) -> Sequence[CatalogWrite]:
        """The writes. Called again when they lost a race, until it raises OutlastError itself."""


class Stager(Protocol):
    """Brings objects of the object store to this machine."""

    async def stage(self, inputs: Mapping[str, str], stack: AsyncExitStack) -> Mapping[str, Path]:
        """Local, readable files for object keys; `stack` lets go of them. Raises OutlastError."""


class Equipment(msgspec.Struct, frozen=True, kw_only=True):
    """What all attempts of a worker share. `modules` says which module has which kind."""

    store: Store
    kinds: Mapping[str, Kind]
    modules: Mapping[str, str]
    executors: Mapping[str, Executor]
    preparer: Preparer
    publishers: Mapping[str, Publisher]
    stager: Stager | None
    files: AttemptFiles | None
    limits: Limits
    recovery: Recovery


class Attempt:
    """One claimed operation on its way. `claimed_at` is a `time.monotonic()` before the claim.

    `retry_in_seconds` tells, once it has ended, when another attempt may become claimable.
    """

    def __init__(self, equipment: Equipment, operation: Operation, claimed_at: float) -> None:
        if operation.lease is None:
            raise ValueError("an attempt needs a lease")
        self.operation = operation
        self.token = operation.lease.token
        self._equipment = equipment
        self._kind = equipment.kinds[operation.kind]
        self._renewed_at = claimed_at
        self.retry_in_seconds: float | None = None
        self._running: Running | None = None
        self._staged: AsyncExitStack | None = None
        self._stop_reason: StopReason | None = None
        self._loop = asyncio.get_running_loop()
        self._sink = AttemptSink(
            equipment.store.operations,
            operation,
            equipment.limits,
            equipment.files,
            lambda: self.stop("lease"),
        )

    async def run(self) -> None:
        """Run the attempt to its end and record it. Never raises but for cancellation."""
        try:
            try:
                outcome = await self._execute()
            except OutlastError as error:
                outcome = Failed(failure=_refusal(error))
            except Exception as error:
                logger.exception("attempt %d of %s", self.operation.attempt, self.operation.id)
                outcome = Failed(
                    failure=platform_failure("worker_error", f"{type(error).__name__}: {error}")
                )
            await self._settle(outcome)
        finally:
            await self._let_go()

    def stop(self, reason: StopReason) -> None:
        """Have the attempt stopped: `cancelled`, `deadline`, `lease` or `released`."""
        if self._stop_reason is None or reason == "lease":
            self._stop_reason = reason
            if self._running is not None:
                self._stop_running(self._running, reason)

    def renewed(self, sent_at: float) -> None:
        """See leases.Holder."""
        self._renewed_at = sent_at
        if self._running is not None:
            self._running.renewed(sent_at)

    def lease_answer(self, renewal: Renewal) -> None:
        """See leases.Holder."""
        reason: StopReason = "cancelled" if renewal.is_held else "lease"
        self._loop.call_soon_threadsafe(self.stop, reason)

    async def _execute(self) -> Outcome:
        equipment, operation, kind = self._equipment, self.operation, self._kind
        prepared = await self._prepare(kind)
        inputs = await self._stage(prepared.inputs) if prepared.inputs else {}
        assignment = Assignment(
            operation_id=operation.id,
            kind=kind.name,
            module=equipment.modules[kind.name],
            plan=prepared.plan,
            attempt=operation.attempt,
            deadline_at=operation.deadline_at,
            checkpoint=operation.checkpoint,
            inputs=inputs,
            lease_seconds=equipment.recovery.lease_seconds,
            cancel_grace_seconds=(
                equipment.recovery.cancel_grace_seconds
                if kind.cancel_grace_seconds is None
                else kind.cancel_grace_seconds
            ),
        )
        if self._stop_reason is not None:
            return Stopped(reason=self._stop_reason)
        running = await equipment.executors[kind.executor].start(assignment, self._sink)
        self._running = running
        running.renewed(self._renewed_at)
        if self._stop_reason is not None:
            self._stop_running(running, self._stop_reason)
        deadline = self._watch_deadline()
        try:
            return await running.wait()
        finally:
            if deadline is not None:
                deadline.cancel()

    async def _prepare(self, kind: Kind) -> Prepared:
        if kind.prepare is None:
            return Prepared(plan=self.operation.spec)
        catalog = TenantCatalog(self._equipment.store.catalog, self.operation.tenant)
        return await self._equipment.preparer.prepare(kind, self.operation.spec, catalog)

    async def _stage(self, inputs: Mapping[str, str]) -> Mapping[str, Path]:
        if self._equipment.stager is None:
            raise Unavailable("this worker has no object store")
        self._staged = AsyncExitStack()
        return await self._equipment.stager.stage(inputs, self._staged)

    async def _let_go(self) -> None:
        try:
            if self._running is not None:
                await self._running.discard()
        finally:
            if self._staged is not None:
                await self._staged.aclose()

    def _watch_deadline(self) -> asyncio.TimerHandle | None:
        if self.operation.deadline_at is None:
            return None
        left = (self.operation.deadline_at - self._equipment.store.operations.now()) / SECOND
        return self._loop.call_later(max(0.0, left), self.stop, "deadline")

    def _stop_running(self, running: Running, reason: StopReason) -> None:
        if reason in {"lease", "released"}:
            running.kill(reason)
        else:
            running.cancel(reason)

    async def _settle(self, outcome: Outcome) -> None:
        """Record the end. Tried again until it is recorded, or the lease is lost."""
        waiting = await self._sink.close()
        while True:
            try:
                match outcome:
                    case Finished():
                        failed = await self._finish(outcome, waiting)
                        if failed is None:
                            return
                        outcome, waiting = failed, []
                        continue
                    case Failed():
                        await self._end(waiting, self._failing(outcome))
                    case Stopped():
                        await self._stopped(outcome, waiting)
                    case _:
                        assert_never(outcome)
                return
            except (LeaseLost, NotFound) as error:
                logger.warning("the end of %s was not recorded: %s", self.operation.id, error)
                return
            except Unavailable as error:
                logger.warning("the end of %s waits for the store: %s", self.operation.id, error)
                await asyncio.sleep(_SETTLE_PAUSE_SECONDS)
            except OutlastError:
                # Nothing of it runs any more: the lease runs out, and whoever reaps decides.
                logger.exception("the end of %s was refused", self.operation.id)
                return

    async def _finish(self, finished: Finished, waiting: list[Change]) -> Failed | None:
        """Publish and succeed; what the caller did wrong comes back as a failure."""
        try:
            documents.check(finished.result, self._equipment.limits.result_bytes, "result")
        except OutlastError as error:
            return Failed(failure=platform_failure("result_invalid", error.message))
        token, result = self.token, finished.result
        lost_race: OutlastError | None = None
        for _ in range(_PUBLISH_TRIES):
            try:
                writes = await self._publish(finished)
            except Unavailable:
                raise
            except OutlastError as error:
                return Failed(failure=_refusal(error))
            try:
                await self._end(
                    waiting,
                    lambda stored, now: transitions.succeed(stored, token, result, now),
                    writes,
                )
            except (RevisionMismatch, ResourceExists) as error:
                # Somebody was faster: a publisher sees what is there now; plain writes do not.
                lost_race, waiting = error, []
                continue
            return None
        return Failed(failure=_refusal(lost_race or RevisionMismatch()))

    async def _publish(self, finished: Finished) -> list[CatalogWrite]:
        writes: list[CatalogWrite] = []
        for document in finished.writes:
            tag = msgspec.json.decode(document, type=_Tagged).type
            # What a sandboxed child names is checked by a publisher; it never writes by itself.
            if tag == "catalog_write" and not self._kind.sandboxed:
                writes.append(msgspec.json.decode(document, type=PlainWrite).write)
                continue
            publisher = self._equipment.publishers.get(tag)
            if publisher is None or self._running is None:
                raise Conflict(f"nothing here publishes a {tag!r}")
            own = self.operation
            writes += await publisher.publish(
                own.tenant, own.created_by, own.id, document, self._running.workdir
            )
        return writes

    def _failing(self, outcome: Failed) -> Decide:
        retry, token, failure = self._kind.retry, self.token, outcome.failure
        if failure.code in retry.fatal_codes:
            failure = msgspec.structs.replace(failure, retryable=False)
        delay = outcome.after_seconds
        if delay is None:
            chance = random.random()  # noqa: S311  jitter is not a secret
            delay = retry.next_delay(self.operation.attempt, chance)
        self.retry_in_seconds = delay if failure.retryable else None
        return lambda stored, now: transitions.fail(stored, token, failure, delay, now)

    async def _stopped(self, outcome: Stopped, waiting: list[Change]) -> None:
        token = self.token
        match outcome.reason:
            case "cancelled":
                await self._end(
                    waiting, lambda stored, now: transitions.confirm_cancel(stored, token, now)
                )
            case "deadline":
                await self._end(waiting, _at_deadline(token))
            case "released":
                await self._end(
                    waiting, lambda stored, now: transitions.release(stored, token, now)
                )
            case "lease":
                logger.warning("attempt of %s lost its lease and was stopped", self.operation.id)
            case _:
                assert_never(outcome.reason)

    async def _end(
        self, waiting: list[Change], decide: Decide, writes: Sequence[CatalogWrite] = ()
    ) -> None:
        last = Change(id=self.operation.id, tenant=None, decide=decide, writes=writes)
        answers = await self._equipment.store.operations.apply([*waiting, last])
        if isinstance(answers[-1], OutlastError):
            raise answers[-1]


def _at_deadline(token: str) -> Decide:
    def decide(stored: Operation, now: int) -> Transition:
        # The store's clock rules: by it the deadline that this worker saw pass may be to come.
        if stored.deadline_at is not None and stored.deadline_at > now:
            return transitions.release(stored, token, now)
        return transitions.pass_deadline(stored, token, now)

    return decide


class _Tagged(msgspec.Struct):
    type: str


def _refusal(error: OutlastError) -> Failure:
    if isinstance(error, Unavailable):
        return platform_failure(error.code, error.message)
    return Failure(
        code=error.code,
        message=error.message,
        fault="user",
        field_errors=error.field_errors,
        details=error.details,
    )
