"""What the server and the worker make of the settings, in one process: for tests of databases."""

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from outlast.app import working
from outlast.app.foundation import lay_foundation
from outlast.engine import Engine, Hub, Principal, Role, Wish
from outlast.engine.access import DEFAULT_TENANT
from outlast.engine.tokens import Tokens
from outlast.operations.errors import OutlastError
from outlast.resources.databases import Databases
from outlast.settings import Recovery, Settings
from outlast.worker import Worker

ANN = Principal(tenant=DEFAULT_TENANT, member="ann", role=Role.SUBMITTER)
BEN = Principal(tenant=DEFAULT_TENANT, member="ben", role=Role.SUBMITTER)
OPERATOR = Principal(tenant=DEFAULT_TENANT, member="olga", role=Role.OPERATOR)
_RECOVERY = Recovery(reap_seconds=0.1, cancel_grace_seconds=1, drain_seconds=2)


class Lake:
    """An engine, a worker that can be started and stopped, and the databases of all tenants."""

    def __init__(self, foundation, engine) -> None:
        self.foundation, self.engine = foundation, engine
        self.store = foundation.store
        self.databases = Databases(self.store, foundation.objects, foundation.keyring)
        self._stack = AsyncExitStack()

    async def work(self, slots=4):
        """Start a worker."""
        executors = working._executors(self.foundation)
        for executor in executors.values():
            await executor.open()
            self._stack.push_async_callback(executor.close)
        worker = Worker(
            working._equipment(self.foundation, executors),
            lambda: working.open_store(self.foundation.settings),
            name=f"worker-{id(self)}",
            slots=slots,
        )
        task = asyncio.create_task(worker.run())
        self._stack.push_async_callback(_drained, worker, task)

    async def submit(self, kind, principal=ANN, **spec):
        wish = Wish(kind=kind, spec=msgspec.json.encode(spec))
        return (await self.engine.submit(principal, wish)).operation

    async def submit_many(self, kind, specs, principal=ANN):
        """Created, or the error, of each: all of them are under way at once."""

        async def one(spec):
            try:
                return await self.submit(kind, principal, **spec)
            except OutlastError as error:
                return error

        return await asyncio.gather(*(one(spec) for spec in specs))

    async def ended(self, operation, seconds=30):
        return await self.engine.wait(OPERATOR, operation.id, seconds)

    async def result(self, kind, principal=ANN, **spec):
        """The result of an operation, which must succeed."""
        operation = await self.ended(await self.submit(kind, principal, **spec))
        assert operation.state == "succeeded", (
            operation.state,
            operation.attempt,
            operation.failure,
        )
        return msgspec.json.decode(operation.result)

    async def failure(self, kind, principal=ANN, **spec):
        operation = await self.ended(await self.submit(kind, principal, **spec))
        assert operation.state == "failed", operation.result
        return operation.failure

    async def file(self, ref, path):
        """Write the file of a database to a path."""
        _, chunks = await self.databases.read_file(ANN, ref)
        path.write_bytes(b"".join([chunk async for chunk in chunks]))
        return path

    async def change(self, ref, path):
        """Make a file the database, as a kind that changes it would."""
        found = await self.databases.get(ANN, ref)
        resource = await self.store.catalog.read(DEFAULT_TENANT, "database", found.id)
        document = msgspec.json.decode(resource.document)
        key = f"tenant/{DEFAULT_TENANT}/databases/{found.id}/{'0' * 64}.duckdb"
        await self.foundation.objects.put_file(key, path)
        document |= {"file": key, "bytes": path.stat().st_size}
        resource = msgspec.structs.replace(resource, document=msgspec.json.encode(document))
        await self.store.catalog.write(DEFAULT_TENANT, [_written(resource)])

    def objects(self):
        """The keys of all objects that hold databases."""
        folder = self.foundation.folder.objects / "tenant"
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.duckdb"))

    async def close(self):
        await self._stack.aclose()


def _written(resource):
    from outlast.operations.kind import CatalogWrite  # noqa: PLC0415

    return CatalogWrite(
        type=resource.type,
        id=resource.id,
        name=resource.name,
        document=resource.document,
        fields=resource.fields,
        expected_revision=resource.revision,
    )


async def _drained(worker, task):
    worker.drain(wait_seconds=0)
    async with asyncio.timeout(20):
        await task


@asynccontextmanager
async def a_lake(folder, **settings):
    """A Lake on SQLite, its data below a folder."""
    os.umask(0o022)
    made = Settings(
        data=folder / "data",
        allow_unsandboxed=True,
        warm_children=0,
        recovery=_RECOVERY,
        **settings,
    )
    async with AsyncExitStack() as stack:
        foundation = await lay_foundation(stack, made)
        root = Principal(tenant=DEFAULT_TENANT, member="root", role=Role.ROOT)
        await Tokens(foundation.store).create_tenant(root, DEFAULT_TENANT)
        hub = Hub(foundation.store.operations, 1000)
        hub.open()
        stack.callback(hub.close)
        engine = Engine(
            foundation.store,
            foundation.installed.kinds,
            hub=hub,
            limits=made.limits,
            retention=made.retention,
            preparer=foundation.preparers,
        )
        lake = Lake(foundation, engine)
        stack.push_async_callback(lake.close)
        chores = asyncio.create_task(foundation.chores().run())
        stack.callback(chores.cancel)
        yield lake
