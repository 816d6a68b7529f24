"""What submitting returns: an operation to follow, without its id in every call."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from outlast.client.answers import Failure, Operation
from outlast.client.errors import OperationCancelled, OperationFailed

if TYPE_CHECKING:
    from outlast.client.asynchronous import AsyncClient
    from outlast.client.sync import Client


class Handle:
    """One operation. `operation` is as it was seen last."""

    def __init__(self, client: "Client", operation: Operation) -> None:
        self._client = client
        self.operation = operation

    @property
    def id(self) -> str:
        """The operation's id."""
        return self.operation.id

    def refresh(self) -> Operation:
        """The operation as it is now."""
        self.operation = self._client.get(self.id)
        return self.operation

    def wait(self, timeout_seconds: float | None = None) -> Operation:
        """The operation once it has ended. Raises WaitTimedOut."""
        if not self.operation.is_terminal:
            self.operation = self._client.wait(self.id, timeout_seconds)
        return self.operation

    def result(self, timeout_seconds: float | None = None) -> Any:
        """The result, once there is one.

        Raises OperationFailed, OperationCancelled, and WaitTimedOut: then the operation goes on.
        """
        return result_of(self.wait(timeout_seconds))

    def watch(self) -> Iterator[Operation]:
        """The operation now, after every change, and last as it ended."""
        for operation in self._client.watch(self.id):
            self.operation = operation
            yield operation

    def cancel(self) -> Operation:
        """Ask for it to be stopped."""
        self.operation = self._client.cancel(self.id)
        return self.operation


class AsyncHandle:
    """One operation. `operation` is as it was seen last."""

    def __init__(self, client: "AsyncClient", operation: Operation) -> None:
        self._client = client
        self.operation = operation

    @property
    def id(self) -> str:
        """The operation's id."""
        return self.operation.id

    async def refresh(self) -> Operation:
        """The operation as it is now."""
        self.operation = await self._client.get(self.id)
        return self.operation

    async def wait(self, timeout_seconds: float | None = None) -> Operation:
        """The operation once it has ended. Raises WaitTimedOut."""
        if not self.operation.is_terminal:
            self.operation = await self._client.wait(self.id, timeout_seconds)
        return self.operation

    async def result(self, timeout_seconds: float | None = None) -> Any:
        """The result, once there is one.

        Raises OperationFailed, OperationCancelled, and WaitTimedOut: then the operation goes on.
        """
        return result_of(await self.wait(timeout_seconds))

    async def watch(self) -> AsyncIterator[Operation]:
        """The operation now, after every change, and last as it ended."""
        async for operation in self._client.watch(self.id):
            self.operation = operation
            yield operation

    async def cancel(self) -> Operation:
        """Ask for it to be stopped."""
        self.operation = await self._client.cancel(self.id)
        return self.operation


def result_of(operation: Operation) -> Any:
    """The result of an operation that has ended. Raises OperationFailed, OperationCancelled."""
    if operation.state == "failed":
        failure = operation.failure or Failure(code="unknown", message="no reason was given")
        raise OperationFailed(operation, failure)
    if operation.state == "cancelled":
        raise OperationCancelled(operation)
    return operation.result
