"""One attempt: prepare, bring what it needs, run it on an executor, and settle how it ended."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, TypeVar

from outlast.engine.preparing import TenantCatalog, prepare_operation
from outlast.executors.port import Assignment, Failed, Outcome, Running, Stopped, StopReason
from outlast.operations.concealing import Concealer
from outlast.operations.errors import OutlastError, Unavailable
from outlast.operations.failure import platform_failure
from outlast.operations.kind import Prepared
from outlast.operations.model import SECOND, Operation
from outlast.operations.progress import Report
from outlast.store.port import Renewal
from outlast.worker.equipment import Equipment
from outlast.worker.settling import Settlement, refusal
from outlast.worker.sink import AttemptSink

_STAGING_TOLD_SECONDS: Final = 1.0
_T = TypeVar("_T")

logger = logging.getLogger(__name__)


class Attempt:
    """One claimed operation on its way. `claimed_at` is a `time.monotonic()` before the claim."""

    def __init__(self, equipment: Equipment, operation: Operation, claimed_at: float) -> None:
        if operation.lease is None:
            raise ValueError("an attempt needs a lease")
        self.operation = operation
        self.token = operation.lease.token
        self._equipment = equipment
        self._kind = equipment.kinds[operation.kind]
        self._renewed_at = claimed_at
        self._running: Running | None = None
        self._staged: AsyncExitStack | None = None
        self._bringing: asyncio.Task[Any] | None = None
        self._told_stage = False
        self._stop_reason: StopReason | None = None
        self._loop = asyncio.get_running_loop()
        self._sink = AttemptSink(
            equipment.store.operations,
            operation,
            equipment.limits,
            equipment.files,
            lambda: self.stop("lease"),
            lease_seconds=equipment.recovery.lease_seconds,
        )
        self._settlement = Settlement(equipment, operation, self.token, self._sink)

    @property
    def retry_in_seconds(self) -> float | None:
        """When another attempt may become claimable; None: as far as this one knows, never."""
        return self._settlement.retry_in_seconds

    async def run(self) -> None:
        """Run the attempt to its end and record it. Never raises but for cancellation."""
        try:
            try:
                outcome = await self._execute()
            except OutlastError as error:
                outcome = Failed(failure=refusal(error))
            except Exception as error:
                logger.exception("attempt %d of %s", self.operation.attempt, self.operation.id)
                outcome = Failed(
                    failure=platform_failure("worker_error", f"{type(error).__name__}: {error}")
                )
            await self._settlement.settle(outcome, self._workdir)
        finally:
            await self._let_go()

    def stop(self, reason: StopReason) -> None:
        """Have the attempt stopped: `cancelled`, `deadline`, `lease` or `released`."""
        if self._stop_reason is None or reason == "lease":
            self._stop_reason = reason
            if self._running is not None:
                self._stop_running(self._running, reason)
            elif self._bringing is not None:
                self._bringing.cancel()

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
        deadline = self._watch_deadline()
        try:
            assignment = await self._assign()
            if self._stop_reason is not None:
                return Stopped(reason=self._stop_reason)
            executor = self._equipment.executors[self._kind.executor]
            running = await executor.start(assignment, self._sink)
            self._running = running
            running.renewed(self._renewed_at)
            if self._stop_reason is not None:
                self._stop_running(running, self._stop_reason)
            await self._unstage()
            return await running.wait()
        finally:
            if deadline is not None:
                deadline.cancel()

    async def _assign(self) -> Assignment:
        """What the executor is given. Cut short, with what there is, once it shall stop."""
        equipment, operation = self._equipment, self.operation
        prepared = await self._prepare()
        kind = self._kind
        inputs: Mapping[str, Path] = {}
        secrets: Mapping[str, str] = {}
        if operation.parent_id is not None and equipment.files is not None:
            await self._bring(equipment.files.inherit(operation))
        if prepared.inputs or prepared.exports:
            inputs = await self._bring(self._stage(prepared)) or {}
        if self._stop_reason is None and prepared.secrets:
            secrets = await self._resolve(prepared.secrets)
        return Assignment(
            operation_id=operation.id,
            kind=kind.name,
            module=equipment.modules[kind.name],
            plan=prepared.plan,
            attempt=operation.attempt,
            deadline_at=operation.deadline_at,
            checkpoint=operation.checkpoint,
            secrets=secrets,
            inputs=inputs,
            lease_seconds=equipment.recovery.lease_seconds,
            cancel_grace_seconds=(
                equipment.recovery.cancel_grace_seconds
                if kind.cancel_grace_seconds is None
                else kind.cancel_grace_seconds
            ),
        )

    async def _prepare(self) -> Prepared:
        equipment, operation = self._equipment, self.operation
        catalog = TenantCatalog(equipment.store.catalog, operation.tenant, operation.id)
        made = await prepare_operation(
            equipment.preparer, equipment.kinds, self._kind, operation.spec, catalog
        )
        self._kind = made.runs
        self._settlement.of(made.runs, made.prepared)
        self._sink.late_inputs = made.prepared.late_inputs
        self._sink.files_prefix = made.prepared.files_prefix
        return made.prepared

    async def _resolve(self, references: Mapping[str, str]) -> Mapping[str, str]:
        if self._equipment.secrets is None:
            raise Unavailable("this worker has no secrets")
        secrets = await self._equipment.secrets.resolve(self.operation, references)
        self._sink.concealer = Concealer(secrets.values())
        return secrets

    async def _stage(self, prepared: Prepared) -> Mapping[str, Path]:
        stager = self._equipment.stager
        if stager is None:
            raise Unavailable("this worker has no object store")
        self._staged = AsyncExitStack()
        return await stager.stage(prepared.inputs, prepared.exports, self._staged)

    async def _unstage(self) -> None:
        staged, self._staged = self._staged, None
        if staged is not None:
            await staged.aclose()

    async def _bring(self, work: Coroutine[Any, Any, _T]) -> _T | None:
        """Do what may take its time before the handler starts; None if it shall stop meanwhile."""
        if self._stop_reason is not None:
            work.close()
            return None
        telling = self._loop.call_later(_STAGING_TOLD_SECONDS, self._tell_stage, "staging")
        self._bringing = bringing = asyncio.create_task(work)
        try:
            brought = await bringing
        except asyncio.CancelledError:
            if self._stop_reason is None:
                raise
            return None
        finally:
            self._bringing = None
            telling.cancel()
        if self._told_stage:
            self._tell_stage("running")
        return brought

    def _tell_stage(self, stage: str) -> None:
        self._told_stage = True
        self._sink.report(Report(stage=stage))

    def _workdir(self) -> Path:
        if self._running is None:
            raise Unavailable("the attempt has not started")
        return self._running.workdir

    async def _let_go(self) -> None:
        try:
            if self._running is not None:
                await self._running.discard()
        finally:
            await self._unstage()

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
