"""What a type checker must know of the client and of kinds. Checked by mypy, never run."""

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from outlast.client import AsyncClient, AsyncHandle, Client, Handle, Operation
from outlast.operations.kind import Context, Kind
from outlast.testing import RunResult, run_kind


def synchronous(client: Client) -> None:
    handle = client.submit("sql_query", {"query": "SELECT 1"})
    assert_type(handle, Handle)
    assert_type(client.get(handle.id), Operation)
    assert_type(client.list(), Iterator[Operation])
    assert_type(client.watch(handle.id), Iterator[Operation])


async def asynchronous(client: AsyncClient) -> None:
    handle = await client.submit("sql_query", {"query": "SELECT 1"})
    assert_type(handle, AsyncHandle)
    assert_type(await client.get(handle.id), Operation)
    assert_type(client.watch(handle.id), AsyncIterator[Operation])


def count(plan: dict[str, int], context: Context) -> int:
    context.report(1, 2, unit="rows")
    return plan["n"]


KIND = Kind("count", spec=dict[str, int], result=int, run=count)
assert_type(run_kind(KIND, {"n": 1}), RunResult)
