"""The end of an attempt: one match that turns its outcome into a transition, and records it."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, assert_never

import msgspec

from outlast.executors.port import Failed, Finished, Outcome, PlainWrite, Stopped
from outlast.operations import documents, transitions
from outlast.operations.errors import (
    Conflict,
    LeaseLost,
    NotFound,
    OutlastError,
    ResourceExists,
    RevisionMismatch,
    SecretMissing,
    Unavailable,
)
from outlast.operations.failure import Failure, platform_failure
from outlast.operations.kind import CatalogWrite, Kind, Prepared
from outlast.operations.model import Operation, Transition
from outlast.resources.publication import Publication
from outlast.store.port import Change, Decide
from outlast.worker.equipment import Equipment
from outlast.worker.partial import PartialOutput
from outlast.worker.sink import AttemptSink

_PUBLISH_TRIES: Final = 8
_SETTLE_PAUSE_SECONDS: Final = 0.5
_UNRENEWED: Final = (
    "lease_expired",
    "the attempt was stopped: its lease was not renewed in time",
)

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


class Settlement:
    """Records how an attempt ended. `retry_in_seconds` then tells when another may follow."""

    def __init__(
        self, equipment: Equipment, operation: Operation, token: str, sink: AttemptSink
    ) -> None:
        self.retry_in_seconds: float | None = None
        self._equipment = equipment
        self._operation = operation
        self._kind = equipment.kinds[operation.kind]
        self._token = token
        self._sink = sink
        self._targets: Sequence[str] | None = None

    def of(self, kind: Kind, prepared: Prepared) -> None:
        """The attempt is run by this kind, and may publish into the targets of `prepared`."""
        self._kind, self._targets = kind, prepared.targets

    async def settle(self, outcome: Outcome, workdir: Callable[[], Path]) -> None:
        """Record the end. Tried again until it is recorded, or the lease is lost.

        `workdir` tells where the files lie that a Finished names; some workdirs are made when they
        are first asked for.
        """
        waiting = await self._close_sink()
        if isinstance(outcome, Failed):
            failure = self._sink.concealer.failure(outcome.failure)
            outcome = msgspec.structs.replace(outcome, failure=failure)
        while True:
            try:
                match outcome:
                    case Finished():
                        failed = await self._finish(outcome, workdir, waiting)
                        if failed is None:
                            return
                        outcome = failed
                        continue
                    case Failed():
                        await self._end_without_success(waiting, self._failing(outcome))
                    case Stopped():
                        await self._stopped(outcome, waiting)
                    case _:
                        assert_never(outcome)
                return
            except (LeaseLost, NotFound) as error:
                logger.warning("the end of %s was not recorded: %s", self._operation.id, error)
                return
            except Unavailable as error:
                logger.warning("the end of %s waits for the store: %s", self._operation.id, error)
                await asyncio.sleep(_SETTLE_PAUSE_SECONDS)
            except OutlastError:
                # Nothing of it runs any more: the lease runs out, and whoever reaps decides.
                logger.exception("the end of %s was refused", self._operation.id)
                return

    async def _close_sink(self) -> list[Change]:
        while True:
            try:
                return await self._sink.close()
            except Unavailable as error:
                logger.warning("the log of %s waits for the store: %s", self._operation.id, error)
                await asyncio.sleep(_SETTLE_PAUSE_SECONDS)

    async def _finish(
        self, finished: Finished, workdir: Callable[[], Path], waiting: list[Change]
    ) -> Failed | None:
        """Publish and succeed; what the caller did wrong comes back as a failure."""
        try:
            documents.check(finished.result, self._equipment.limits.result_bytes, "result")
        except OutlastError as error:
            return Failed(failure=platform_failure("result_invalid", error.message))
        token, result = self._token, finished.result
        lost_race: OutlastError | None = None
        for _ in range(_PUBLISH_TRIES):
            try:
                writes = await self._publish(finished.writes, workdir)
            except Unavailable:
                raise
            except OutlastError as error:
                return Failed(failure=refusal(error))
            try:
                await self._end(
                    waiting,
                    lambda stored, now: transitions.succeed(stored, token, result, now),
                    writes,
                )
            except (RevisionMismatch, ResourceExists) as error:
                # Somebody was faster: a publisher sees what is there now; plain writes do not.
                lost_race = error
                continue
            return None
        return Failed(failure=refusal(lost_race or RevisionMismatch()))

    async def _publish(
        self, publications: Sequence[bytes], workdir: Callable[[], Path]
    ) -> list[CatalogWrite]:
        writes: list[CatalogWrite] = []
        for document in publications:
            tagged = _decode(document, _Tagged)
            tag = tagged.type
            if not self._is_allowed(tagged):
                raise Conflict("the attempt would publish into what is not its target")
            # What a sandboxed child names is checked by a publisher; it never writes by itself.
            if tag == "catalog_write" and not self._kind.sandboxed:
                writes.append(_decode(document, PlainWrite).write)
                continue
            publisher = self._equipment.publishers.get(tag)
            if publisher is None:
                raise Conflict(f"nothing here publishes a {tag!r}")
            own = self._operation
            publication = Publication(
                tenant=own.tenant,
                operation_id=own.id,
                created_by=own.created_by,
                project=own.project,
                document=document,
                workdir=workdir(),
            )
            writes += await publisher.publish(publication)
        return writes

    def _is_allowed(self, tagged: "_Tagged") -> bool:
        """Whether a publication may go there: a subverted child could name another's."""
        if tagged.database is not None and tagged.database not in (self._targets or ()):
            return False
        if tagged.dataset is None or self._targets is None:
            return True
        return tagged.dataset in self._targets or tagged.dataset == self._operation.id

    def _failing(self, outcome: Failed) -> Decide:
        retry, token, failure = self._kind.retry, self._token, outcome.failure
        if failure.code in retry.fatal_codes:
            failure = msgspec.structs.replace(failure, retryable=False)
        delay = outcome.after_seconds
        if delay is None:
            chance = random.random()  # noqa: S311  jitter is not a secret
            delay = retry.next_delay(self._operation.attempt, chance)
        self.retry_in_seconds = delay if failure.retryable else None
        return lambda stored, now: transitions.fail(stored, token, failure, delay, now)

    async def _stopped(self, outcome: Stopped, waiting: list[Change]) -> None:
        token = self._token
        match outcome.reason:
            case "cancelled":
                await self._end_without_success(
                    waiting, lambda stored, now: transitions.confirm_cancel(stored, token, now)
                )
            case "deadline":
                await self._end_without_success(waiting, _at_deadline(token))
            case "released":
                await self._end_without_success(
                    waiting, lambda stored, now: transitions.release(stored, token, now)
                )
            case "lease":
                logger.warning("attempt of %s lost its lease and was stopped", self._operation.id)
                # If nobody took the lease (the store was away), nobody needs to wait for its end.
                unrenewed = Failed(failure=platform_failure(*_UNRENEWED), after_seconds=0)
                await self._end_without_success(
                    waiting, _without_renewal(token, self._failing(unrenewed))
                )
            case _:
                assert_never(outcome.reason)

    async def _end_without_success(self, waiting: list[Change], decide: Decide) -> None:
        """Take a decision. If the operation ends with it, its partial output is published too."""
        if self._kind.partial is None:
            await self._end(waiting, decide)
            return
        partial = PartialOutput(
            self._equipment, self._operation, self._kind, self._token, self._publish
        )
        tries = _PUBLISH_TRIES
        # First as if it went on: whether it does is for the decision to say, not for us to guess.
        attempted = _Attempted(decide, as_end=False)
        writes: Sequence[CatalogWrite] = ()
        while True:
            try:
                await self._end(waiting, attempted, writes)
            except (RevisionMismatch, ResourceExists) as error:
                tries -= 1
                if not tries:
                    await partial.give_up(error)
                    await self._end(waiting, decide)
                    return
            else:
                if attempted.is_taken:
                    return
                attempted = _Attempted(decide, as_end=not attempted.as_end)
            writes = await partial.writes() if attempted.as_end else ()

    async def _end(
        self, waiting: list[Change], decide: Decide, writes: Sequence[CatalogWrite] = ()
    ) -> None:
        """Make the changes that wait, once, and take the decision."""
        last = Change(id=self._operation.id, tenant=None, decide=decide, writes=writes)
        answers = await self._equipment.store.operations.apply([*waiting, last])
        waiting.clear()
        if isinstance(answers[-1], OutlastError):
            raise answers[-1]


class _Attempted:
    """A decision that is taken only if it ends the operation, or only if it does not."""

    def __init__(self, decide: Decide, *, as_end: bool) -> None:
        self.as_end = as_end
        self.is_taken = False
        self._decide = decide

    def __call__(self, stored: Operation, now: int) -> Transition:
        transition = self._decide(stored, now)
        self.is_taken = transition.operation.state.is_terminal is self.as_end
        return transition if self.is_taken else Transition(stored)


def refusal(error: OutlastError) -> Failure:
    """The failure of an attempt that an error of ours has ended."""
    if isinstance(error, Unavailable):
        return platform_failure(error.code, error.message)
    return Failure(
        code=error.code,
        message=error.message,
        fault=error.fault if isinstance(error, SecretMissing) else "user",
        field_errors=error.field_errors,
        details=error.details,
    )


def _at_deadline(token: str) -> Decide:
    def decide(stored: Operation, now: int) -> Transition:
        # The store's clock rules: by it the deadline that this worker saw pass may be to come.
        if stored.deadline_at is not None and stored.deadline_at > now:
            return transitions.release(stored, token, now)
        return transitions.pass_deadline(stored, token, now)

    return decide


def _without_renewal(token: str, failing: Decide) -> Decide:
    def decide(stored: Operation, now: int) -> Transition:
        # All its code has stopped, and that is what a cancel asks for.
        if stored.cancel_requested_at is not None:
            return transitions.confirm_cancel(stored, token, now)
        return failing(stored, now)

    return decide


def _decode(publication: bytes, type_: type[_T]) -> _T:
    try:
        return msgspec.json.decode(publication, type=type_)
    except msgspec.DecodeError as error:
        raise Conflict(f"a publication is malformed: {error}") from error


class _Tagged(msgspec.Struct):
    type: str
    dataset: Any = None
    database: Any = None
