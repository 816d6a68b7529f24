"""Runs a batch: checks its rows, asks for each that is not finished, and publishes the answers."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from outlast.clock import system_clock
from outlast.inference.endpoints import Endpoint, open_endpoint
from outlast.inference.models import ServedModel
from outlast.inference.rates import RateLimiter
from outlast.kinds.batch.answers import AnswerWriter
from outlast.kinds.batch.calling import BackendBroken, Caller
from outlast.kinds.batch.checking import TWICE, Check, Checked, Problem
from outlast.kinds.batch.ledger import Ledger
from outlast.kinds.batch.lines import Lines, Offsets
from outlast.kinds.batch.plan import BatchPlan
from outlast.kinds.batch.record import Checkpoint, Outcome
from outlast.kinds.batch.requests import BadRow, Row, RowReader
from outlast.kinds.staged_models import own_folder
from outlast.operations.errors import Fatal, Retry
from outlast.operations.kind import Context

_ENCODER = msgspec.json.Encoder()


class Finished(msgspec.Struct, frozen=True):
    """A batch whose rows are all finished: its checkpoint, and where the lines of its input are."""

    checkpoint: Checkpoint
    lines: Lines
    reader: RowReader
    offsets: Offsets | None


class BatchRun:
    """One attempt of a batch."""

    def __init__(self, plan: BatchPlan, context: Context) -> None:
        self._plan = plan
        self._context = context
        self._lines = Lines([context.workdir / name for name in plan.files])
        self._reader = RowReader(
            plan.endpoint,
            model=None if plan.model is None else plan.model.name,
            mapping=plan.mapping,
            is_any_model=plan.replaces_model,
        )
        self._offsets = Offsets(context.workdir / "offsets.bin") if plan.is_table else None
        self._ledger = Ledger(context, source=plan.source)
        self._counts = self._ledger.counts
        self._writer = AnswerWriter(self._ledger.checkpoint.name)
        self._stage = "validating"
        self._is_exhausted = False

    async def run(self) -> Finished:
        """Finish every row. Raises Fatal for a batch that cannot be asked, Retry for a backend."""
        await self._ledger.open()
        checked = await self._check()
        self._counts.total = checked.total
        self._remaining = self._unfinished()
        if checked.verdict is not None:
            await self._refuse(checked, checked.verdict)
        await self._ask(checked)
        return Finished(self._ledger.checkpoint, self._lines, self._reader, self._offsets)

    def close(self) -> None:
        """Let go of the input."""
        if self._offsets is not None:
            self._offsets.close()

    async def _check(self) -> Checked:
        stopped = threading.Event()

        def report(rows: int) -> bool:
            self._context.report(stage="validating", message=f"{rows} rows checked")
            return not stopped.is_set()

        report(0)
        check = Check(self._lines, self._reader, self._context.workdir, self._offsets)
        try:
            return await asyncio.to_thread(check.run, report)
        finally:
            stopped.set()

    async def _refuse(self, checked: Checked, verdict: str) -> None:
        """Name every bad row in the error file, and fail.

        The file is then text for people, a line for each, as the live service writes it.
        """
        await self._beside_flushing(self._tell_bad_rows(checked, verdict))
        counts = msgspec.to_builtins(self._counts)
        raise Fatal("invalid_rows", verdict, details={"counts": counts, **checked.told})

    async def _tell_bad_rows(self, checked: Checked, verdict: str) -> None:
        if not self._counts.finished:
            self._ledger.note(verdict.encode())
        for number, line in self._remaining:
            await self._ledger.room(number)
            try:
                self._read(number, line, checked)
            except BadRow as bad:
                text = Problem(number, bad.custom_id, bad.reason).text
                self._ledger.finish(number, "invalid", " ".join(text.splitlines()).encode())
            else:
                self._ledger.pass_over(number)

    async def _ask(self, checked: Checked) -> None:
        model = self._plan.model
        if model is None or self._counts.finished >= self._counts.total:
            return  # without a model no row is valid, which was said before
        async with self._endpoint(model) as endpoint:
            self._caller = self._caller_of(model, endpoint)
            self._model = endpoint.model
            self._stage = "running"
            self._report()
            try:
                await self._beside_flushing(self._work_together(model.concurrency, checked))
            except BackendBroken as broken:
                raise Retry(
                    broken.after_seconds, code=broken.code, message=broken.message
                ) from broken

    async def _beside_flushing(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some work while what it finishes becomes durable; all of it, however the work ends."""
        flushing = asyncio.create_task(self._ledger.keep_flushing(self._report))
        working = asyncio.create_task(work)
        try:
            await asyncio.wait({working, flushing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            working.cancel()
            await asyncio.wait({working})
            self._ledger.close()
            await asyncio.wait({flushing})
        flushing.result()
        working.result()

    def _endpoint(self, model: ServedModel) -> AbstractAsyncContextManager[Endpoint]:
        if model.url is None:
            self._context.report(stage="loading", message=f"loading model {model.name}")
        folder = own_folder(self._context.workdir, self._plan.model_files)
        return open_endpoint(model, self._context.secrets.get("backend_key"), folder=folder)

    def _caller_of(self, model: ServedModel, endpoint: Endpoint) -> Caller:
        limiter = RateLimiter(
            requests_per_minute=model.requests_per_minute,
            tokens_per_minute=model.tokens_per_minute,
        )
        return Caller(
            endpoint,
            self._plan.endpoint,
            limiter,
            clock=system_clock,
            is_last=lambda: self._is_exhausted,
            timeout_seconds=model.timeout_seconds,
            patience=self._plan.patience,
        )

    async def _work_together(self, count: int, checked: Checked) -> None:
        workers = [asyncio.create_task(self._work(checked)) for _ in range(count)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)

    async def _work(self, checked: Checked) -> None:
        """Ask for one row after the other. All workers share the rows."""
        for number, line in self._remaining:
            await self._ledger.room(number)
            try:
                row = self._read(number, line, checked)
            except BadRow as bad:
                self._finish_bad(number, bad)
                continue
            content, tokens_max = self._request(row)
            reply = await self._caller.call(content, tokens_max)
            self._ledger.add_usage(reply.usage)
            outcome: Outcome = "completed" if reply.message is None else "failed"
            self._ledger.finish(number, outcome, self._writer.write(number, row.custom_id, reply))

    def _unfinished(self) -> Iterator[tuple[int, bytes]]:
        expected = 1
        for number, _, line in self._lines:
            for blank in range(expected, number):
                self._ledger.pass_over(blank)
            expected = number + 1
            if not self._ledger.is_finished(number):
                yield number, line
        self._is_exhausted = True

    def _read(self, number: int, line: bytes, checked: Checked) -> Row:
        row = self._reader.read(line, number)
        if number in checked.bad:
            raise BadRow(TWICE, row.custom_id)
        return row

    def _finish_bad(self, number: int, bad: BadRow) -> None:
        message = Problem(number, bad.custom_id, bad.reason).text
        line = self._writer.write_refusal(number, bad.custom_id, message)
        self._ledger.finish(number, "invalid", line)

    def _request(self, row: Row) -> tuple[bytes, int]:
        """What the backend is asked, and the most tokens that it may answer with, where known."""
        body = request_body(self._plan, row)
        body["model"] = self._model
        most: Any = body.get("max_completion_tokens") or body.get("max_tokens")
        return _ENCODER.encode(body), most if isinstance(most, int) else 0

    def _report(self) -> None:
        counts = self._counts
        self._context.report(
            counts.finished,
            counts.total,
            unit="rows",
            stage=self._stage,
            message=f"{counts.completed} completed, {counts.failed} failed, "
            f"{counts.invalid} invalid",
        )


def request_body(plan: BatchPlan, row: Row) -> dict[str, Any]:
    """A row's request with what the batch sets for all."""
    body = {**row.body, **plan.parameters}
    if plan.model is not None:
        body["model"] = plan.model.name
    return body
