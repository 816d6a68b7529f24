"""The asynchronous client."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, closing
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from outlast.client import access_requests, procedures, requests
from outlast.client.answers import (
    AuditRecord,
    CancelCounts,
    HistoryEvent,
    Kind,
    LogLine,
    Operation,
)
from outlast.client.async_resources import AsyncDatasets, AsyncFiles, AsyncTenants, AsyncTokens
from outlast.client.connecting import (
    DEFAULT_URL,
    Connection,
    OnRetry,
    ProgressCallback,
    fresh_key,
)
from outlast.client.connections import AsyncConnections
from outlast.client.databases import AsyncDatabases
from outlast.client.evidence import AsyncEvidences
from outlast.client.handles import AsyncHandle
from outlast.client.pipe_tables import AsyncPipeTables
from outlast.client.policies import AsyncPolicies
from outlast.client.procedures import Emit, Procedure
from outlast.client.requests import Filter, Submission
from outlast.client.schedules import AsyncSchedules
from outlast.client.services import AsyncServices
from outlast.client.stacks import AsyncStacks
from outlast.client.stepping import AsyncSteps
from outlast.client.vector_databases import AsyncVectorDatabases
from outlast.client.wire import Call, Request

T = TypeVar("T")


class AsyncClient:
    """An Outlast server, for code that waits for its answers.

    Safe to use from several threads. Close it, or use it as a context manager.

        with Client("http://127.0.0.1:8470", token) as client:
            handle = client.submit("sql_query", {"query": "SELECT 1"})
            print(handle.result(timeout_seconds=60))
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        token: str | None = None,
        *,
        tenant: str | None = None,
        timeout_seconds: float = 30.0,
        retries_max: int = 4,
        on_retry: OnRetry | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._connection = Connection(
            url=url,
            token=token,
            tenant=tenant,
            timeout_seconds=timeout_seconds,
            retries_max=retries_max,
            on_retry=on_retry,
        )
        options: Any = self._connection.httpx_options
        self._http = httpx.AsyncClient(transport=transport, **options)
        self._backoff = self._connection.backoff
        self.datasets = AsyncDatasets(self)
        self.files = AsyncFiles(self)
        self.schedules = AsyncSchedules(self)
        self.databases = AsyncDatabases(self)
        self.pipe_tables = AsyncPipeTables(self)
        self.services = AsyncServices(self)
        self.evidence = AsyncEvidences(self)
        self.policies = AsyncPolicies(self)
        self.vector_databases = AsyncVectorDatabases(self)
        self.connections = AsyncConnections(self)
        self.stacks = AsyncStacks(self)
        self.tokens = AsyncTokens(self)
        self.tenants = AsyncTenants(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of every connection."""
        await self._http.aclose()

    async def submit(
        self,
        kind: str,
        spec: Any,
        *,
        labels: Mapping[str, str] | None = None,
        priority: int | None = None,
        available_at: datetime | None = None,
        deadline_at: datetime | None = None,
        resource_type: str | None = None,
        resource_id: str | None = None,
        project: str | None = None,
        project_version: str | None = None,
        operation_id: str | None = None,
        idempotency_key: str | None = None,
        wait_seconds: float | None = None,
    ) -> AsyncHandle:
        """Create an operation. Once this returns it is durable, and the server will see it through.

        Without an `idempotency_key` one is made, so that a connection that breaks is no danger:
        the request is sent again and there is still one operation. With `wait_seconds` (at most 60)
        the answer waits that long for the end.
        """
        submission = Submission(
            kind=kind,
            spec=spec,
            labels=labels or {},
            priority=priority,
            available_at=available_at,
            deadline_at=deadline_at,
            resource_type=resource_type,
            resource_id=resource_id,
            project=project,
            project_version=project_version,
            operation_id=operation_id,
            idempotency_key=idempotency_key or fresh_key(),
        )
        return AsyncHandle(self, await self.call(requests.submit(submission, wait_seconds)))

    async def handle(self, ref: str) -> AsyncHandle:
        """A handle of an operation that exists."""
        return AsyncHandle(self, await self.get(ref))

    async def get(self, ref: str) -> Operation:
        """The operation with this id or alias, with spec and result."""
        return await self.call(requests.get(ref))

    def list(
        self,
        matching: Filter | None = None,
        *,
        limit: int | None = None,
        page_size: int | None = None,
        full: bool = False,
    ) -> AsyncIterator[Operation]:
        """Operations, newest first, fetched as they are asked for. `full`: with spec and result."""
        wanted = matching or Filter()
        return self.pages(
            lambda token: requests.list_page(
                wanted, page_size=page_size, page_token=token, full=full
            ),
            "operations",
            limit,
        )

    async def wait(self, ref: str, timeout_seconds: float | None = None) -> Operation:
        """The operation once it has ended, however long that takes. Raises WaitTimedOut."""
        return await self.run(procedures.wait(ref, timeout_seconds, self._backoff, time.monotonic))

    def watch(self, ref: str) -> AsyncIterator[Operation]:
        """The operation now, after every change, and last as it ended; across server restarts."""
        return self.iterate(procedures.watch(ref, self._backoff))

    async def cancel(self, ref: str) -> Operation:
        """Ask for an operation to be stopped; it has stopped once its state is `cancelled`."""
        return await self.call(requests.cancel(ref))

    async def cancel_many(self, matching: Filter, *, dry_run: bool = False) -> CancelCounts:
        """Ask for all that match to be stopped, up to a thousand in one call."""
        return await self.call(requests.cancel_many(matching, dry_run=dry_run))

    async def delete(self, ref: str) -> None:
        """Delete an operation that has ended, with its history and log."""
        await self.call(requests.delete(ref))

    async def retry(self, ref: str, *, idempotency_key: str | None = None) -> AsyncHandle:
        """A new operation like a failed or cancelled one, from its last checkpoint."""
        return AsyncHandle(
            self, await self.call(requests.retry(ref, idempotency_key or fresh_key()))
        )

    def events(self, ref: str, *, after: int = 0) -> AsyncIterator[HistoryEvent]:
        """The operation's history beyond an event's number."""
        return self.iterate(
            procedures.numbered(
                lambda number: requests.events(ref, after=number), after, self._backoff
            )
        )

    def logs(self, ref: str, *, after: int = 0) -> AsyncIterator[LogLine]:
        """What the handler logged beyond a line's number."""
        return self.iterate(
            procedures.numbered(
                lambda number: requests.logs(ref, after=number), after, self._backoff
            )
        )

    async def kinds(self) -> Sequence[Kind]:
        """Every kind that the server can run."""
        return await self.call(requests.kinds())

    async def kind(self, name: str) -> Kind:
        """One kind, with the JSON Schemas of its spec and result."""
        return await self.call(requests.kind(name))

    async def audit(
        self, *, before: int | None = None, limit: int | None = None
    ) -> Sequence[AuditRecord]:
        """The tenant's audit log below a record's number, newest first."""
        return await self.call(access_requests.audit_page(before=before, limit=limit))

    async def is_ready(self) -> bool:
        """Whether the server can do its work. Raises Unreachable and Unavailable."""
        return await self.call(requests.is_ready())

    async def call(self, call: Call[T], progress: ProgressCallback | None = None) -> T:
        """Make one call, sending it again where that is safe."""
        return await self.run(procedures.perform(call, self._backoff), progress)

    def pages(
        self, first: Callable[[str | None], Call[Any]], items: str, limit: int | None
    ) -> AsyncIterator[Any]:
        """What a paged list holds, fetched as it is asked for."""
        return self.iterate(procedures.pages(first, items, limit, self._backoff))

    def download(self, request: Request) -> AsyncIterator[bytes]:
        """The bytes of an answer, as they come."""
        return self.iterate(procedures.download(request, self._backoff))

    async def run(self, procedure: Procedure[T], progress: ProgressCallback | None = None) -> T:
        """Take the steps of a procedure and return what it returns."""
        taking = AsyncSteps(self._http, self._connection, progress)
        reply: Any = None
        async with aclosing(taking):
            with closing(procedure):
                while True:
                    try:
                        step = procedure.send(reply)
                    except StopIteration as end:
                        result: T = end.value
                        return result
                    reply = await taking.take(step)

    async def iterate(self, procedure: Procedure[None]) -> AsyncIterator[Any]:
        """Take the steps of a procedure and give what it emits."""
        taking = AsyncSteps(self._http, self._connection)
        reply: Any = None
        async with aclosing(taking):
            with closing(procedure):
                while True:
                    try:
                        step = procedure.send(reply)
                    except StopIteration:
                        return
                    if isinstance(step, Emit):
                        reply = None
                        yield step.value
                    else:
                        reply = await taking.take(step)
