"""The synchronous client."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
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
from outlast.client.connecting import (
    DEFAULT_URL,
    Connection,
    OnRetry,
    ProgressCallback,
    fresh_key,
)
from outlast.client.connections import Connections
from outlast.client.databases import Databases
from outlast.client.evidence import Evidences
from outlast.client.handles import Handle
from outlast.client.pipe_tables import PipeTables
from outlast.client.policies import Policies
from outlast.client.procedures import Emit, Procedure
from outlast.client.requests import Filter, Submission
from outlast.client.schedules import Schedules
from outlast.client.services import Services
from outlast.client.stacks import Stacks
from outlast.client.stepping import Steps
from outlast.client.sync_resources import Datasets, Files, Tenants, Tokens
from outlast.client.vector_databases import VectorDatabases
from outlast.client.wire import Call, Request

T = TypeVar("T")


class Client:
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
        transport: httpx.BaseTransport | None = None,
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
        self._http = httpx.Client(transport=transport, **options)
        self._backoff = self._connection.backoff
        self.datasets = Datasets(self)
        self.files = Files(self)
        self.schedules = Schedules(self)
        self.databases = Databases(self)
        self.pipe_tables = PipeTables(self)
        self.services = Services(self)
        self.evidence = Evidences(self)
        self.policies = Policies(self)
        self.vector_databases = VectorDatabases(self)
        self.connections = Connections(self)
        self.stacks = Stacks(self)
        self.tokens = Tokens(self)
        self.tenants = Tenants(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every connection."""
        self._http.close()

    def submit(
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
    ) -> Handle:
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
        return Handle(self, self.call(requests.submit(submission, wait_seconds)))

    def handle(self, ref: str) -> Handle:
        """A handle of an operation that exists."""
        return Handle(self, self.get(ref))

    def get(self, ref: str) -> Operation:
        """The operation with this id or alias, with spec and result."""
        return self.call(requests.get(ref))

    def list(
        self,
        matching: Filter | None = None,
        *,
        limit: int | None = None,
        page_size: int | None = None,
        full: bool = False,
    ) -> Iterator[Operation]:
        """Operations, newest first, fetched as they are asked for. `full`: with spec and result."""
        wanted = matching or Filter()
        return self.pages(
            lambda token: requests.list_page(
                wanted, page_size=page_size, page_token=token, full=full
            ),
            "operations",
            limit,
        )

    def wait(self, ref: str, timeout_seconds: float | None = None) -> Operation:
        """The operation once it has ended, however long that takes. Raises WaitTimedOut."""
        return self.run(procedures.wait(ref, timeout_seconds, self._backoff, time.monotonic))

    def watch(self, ref: str) -> Iterator[Operation]:
        """The operation now, after every change, and last as it ended; across server restarts."""
        return self.iterate(procedures.watch(ref, self._backoff))

    def cancel(self, ref: str) -> Operation:
        """Ask for an operation to be stopped; it has stopped once its state is `cancelled`."""
        return self.call(requests.cancel(ref))

    def cancel_many(self, matching: Filter, *, dry_run: bool = False) -> CancelCounts:
        """Ask for all that match to be stopped, up to a thousand in one call."""
        return self.call(requests.cancel_many(matching, dry_run=dry_run))

    def delete(self, ref: str) -> None:
        """Delete an operation that has ended, with its history and log."""
        self.call(requests.delete(ref))

    def retry(self, ref: str, *, idempotency_key: str | None = None) -> Handle:
        """A new operation like a failed or cancelled one, from its last checkpoint."""
        call = requests.retry(ref, idempotency_key or fresh_key())
        return Handle(self, self.call(call))

    def events(self, ref: str, *, after: int = 0) -> Iterator[HistoryEvent]:
        """The operation's history beyond an event's number."""
        return self.iterate(
            procedures.numbered(
                lambda number: requests.events(ref, after=number), after, self._backoff
            )
        )

    def logs(self, ref: str, *, after: int = 0) -> Iterator[LogLine]:
        """What the handler logged beyond a line's number."""
        return self.iterate(
            procedures.numbered(
                lambda number: requests.logs(ref, after=number), after, self._backoff
            )
        )

    def kinds(self) -> Sequence[Kind]:
        """Every kind that the server can run."""
        return self.call(requests.kinds())

    def kind(self, name: str) -> Kind:
        """One kind, with the JSON Schemas of its spec and result."""
        return self.call(requests.kind(name))

    def audit(
        self, *, before: int | None = None, limit: int | None = None
    ) -> Sequence[AuditRecord]:
        """The tenant's audit log below a record's number, newest first."""
        return self.call(access_requests.audit_page(before=before, limit=limit))

    def is_ready(self) -> bool:
        """Whether the server can do its work. Raises Unreachable and Unavailable."""
        return self.call(requests.is_ready())

    def call(self, call: Call[T], progress: ProgressCallback | None = None) -> T:
        """Make one call, sending it again where that is safe."""
        return self.run(procedures.perform(call, self._backoff), progress)

    def pages(
        self, first: Callable[[str | None], Call[Any]], items: str, limit: int | None
    ) -> Iterator[Any]:
        """What a paged list holds, fetched as it is asked for."""
        return self.iterate(procedures.pages(first, items, limit, self._backoff))

    def download(self, request: Request) -> Iterator[bytes]:
        """The bytes of an answer, as they come."""
        return self.iterate(procedures.download(request, self._backoff))

    def run(self, procedure: Procedure[T], progress: ProgressCallback | None = None) -> T:
        """Take the steps of a procedure and return what it returns."""
        taking = Steps(self._http, self._connection, progress)
        reply: Any = None
        with closing(procedure), closing(taking):
            while True:
                try:
                    step = procedure.send(reply)
                except StopIteration as end:
                    result: T = end.value
                    return result
                reply = taking.take(step)

    def iterate(self, procedure: Procedure[None]) -> Iterator[Any]:
        """Take the steps of a procedure and give what it emits."""
        taking = Steps(self._http, self._connection)
        reply: Any = None
        with closing(procedure), closing(taking):
            while True:
                try:
                    step = procedure.send(reply)
                except StopIteration:
                    return
                if isinstance(step, Emit):
                    reply = None
                    yield step.value
                else:
                    reply = taking.take(step)
