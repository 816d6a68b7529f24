"""The HTTP API over a real store, with two tenants and a token of every role, for tests."""

import asyncio
import importlib
import json
import socket
import threading
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import uvicorn
from chatting import Chatting
from installation import until
from policy_process import PolicySandbox

from outlast.engine import Engine, Hub, Principal, Role
from outlast.engine.preparing import OwnPreparer
from outlast.engine.tokens import Tokens
from outlast.http import Parts, Site, server_config
from outlast.inference.embedding import RelayEmbedder
from outlast.operations import transitions
from outlast.operations.kind import Kind
from outlast.operations.model import Operation
from outlast.operations.progress import Report, ResourceProgress
from outlast.operations.service import Service
from outlast.resources.configured import ConfiguredStore
from outlast.resources.connections import Connections
from outlast.resources.credentials import Credentials
from outlast.resources.databases.library import Databases
from outlast.resources.datasets import Datasets, Publisher, Uploads
from outlast.resources.datasets.parser import Parser
from outlast.resources.evaluations import Evaluations
from outlast.resources.evidence import Evidences
from outlast.resources.files import Files
from outlast.resources.keyring import make_key, read_keys
from outlast.resources.models import Models
from outlast.resources.objects import LocalObjects
from outlast.resources.pipe_tables.library import PipeTables
from outlast.resources.playgrounds import Playgrounds
from outlast.resources.policies.library import Policies
from outlast.resources.secrets import Secrets
from outlast.resources.services import Services
from outlast.resources.stacks import Stacks
from outlast.resources.vector_databases import VectorDatabases
from outlast.settings import Limits, Settings
from outlast.store.port import Change, Claim
from outlast.store.sqlite import SqliteStore

HOME = "default"
AWAY = "away"


class AddSpec(msgspec.Struct):
    """Two numbers to add."""

    a: int
    b: int = 0
    note: str = ""


class AddResult(msgspec.Struct):
    """Their sum."""

    total: int


async def add(spec, context):
    """Add two numbers."""
    _ = context
    return AddResult(total=spec.a + spec.b)


ADD = Kind("add", spec=AddSpec, result=AddResult, run=add, executor="inline")
CALCULATOR = Service("calculator", commands={"add": "add"})
ANYTHING = Kind("anything", spec=Any, result=Any, run=add, executor="inline")
"""A kind that takes whatever JSON there is."""


class Called:
    def __init__(self, answer, folder):
        self.answer = answer
        self.folder = folder


class OwnSandbox:
    """Calls the parsing functions in this process: what locks them in is tested elsewhere."""

    def __init__(self, folder):
        self._folder = folder
        self._count = 0

    @asynccontextmanager
    async def __call__(self, target, arguments, *, inputs, timeout_seconds, memory_bytes, preload):
        _ = timeout_seconds, memory_bytes, preload
        self._count += 1
        folder = self._folder / f"call-{self._count}"
        folder.mkdir(parents=True)
        for name, path in inputs.items():
            (folder / name).symlink_to(path)
        module, _, name = target.partition(":")
        function = getattr(importlib.import_module(module), name)
        answer = await asyncio.to_thread(function, arguments, folder)
        yield Called(msgspec.to_builtins(answer), folder)


class Serving:
    """An application over a store of its own. `texts` are the tokens by (tenant, role)."""

    def __init__(
        self,
        folder,
        *,
        limits=None,
        body_seconds=1.0,
        keys=None,
        redact=None,
        kinds=(),
        modules=None,
        **settings,
    ):
        self.store = SqliteStore(folder / "outlast.db")
        self.limits = limits or Limits()
        self.settings = Settings(limits=self.limits, **settings)
        self._keys, self._redact = keys, redact
        self._kinds = {kind.name: kind for kind in (ADD, ANYTHING, *kinds)}
        self.tokens = Tokens(self.store)
        self.is_ready = True
        self.texts = {}
        self._modules = modules or {}
        self._folder = folder
        self._clients = []
        self._body_seconds = body_seconds

    async def open(self):
        await self.store.open()
        self.hub = Hub(self.store.operations, self.limits.watchers)
        self.hub.open()
        self.engine = Engine(
            ConfiguredStore(self.store, self.settings, [CALCULATOR], self._modules),
            self._kinds,
            hub=self.hub,
            limits=self.limits,
            retention=self.settings.retention,
        )
        root = Principal(tenant=HOME, member="root", role=Role.ROOT)
        await self.tokens.create_tenant(root, HOME)
        self.away = await self.tokens.create_tenant(root, AWAY)
        await asyncio.gather(
            *(
                self._make_token(msgspec.structs.replace(root, tenant=tenant), name, role)
                for tenant, name in ((HOME, HOME), (self.away.id, AWAY))
                for role in Role
            )
        )
        self.chatting = Chatting(
            self._folder, self.store, self.settings, keys=self._keys, redact=self._redact
        )
        datasets = self._datasets()
        self.databases = self._databases()
        self.stacks = self._stacks()
        keyring = read_keys(make_key(), "a test")
        self.app = Site(
            Parts(
                engine=self.engine,
                tokens=self.tokens,
                datasets=datasets,
                uploads=self._uploads(datasets),
                secrets=self._secrets(),
                files=self._files(),
                models=Models(self.store.catalog, LocalObjects(self._folder / "objects")),
                databases=self.databases,
                pipe_tables=PipeTables(self.engine.store),
                vector_databases=self._vector_databases(),
                stacks=self.stacks,
                connections=Connections(self.engine, keyring),
                credentials=Credentials(self.engine.store, keyring),
                playgrounds=Playgrounds(self.engine.store),
                evaluations=Evaluations(self.engine.store),
                evidences=self._evidences(),
                policies=Policies(self.engine.store, PolicySandbox()),
                services=Services(self.engine.store.catalog, self._kinds, OwnPreparer()),
                relay=self.chatting.relay,
                chat_log=self.chatting.log,
                settings=self.settings,
                body_seconds=self._body_seconds,
            ),
            ready=self._ready,
            version="9.8.7",
        ).main

    async def close(self):
        for client in self._clients:
            await client.aclose()
        self.hub.close()
        await self.chatting.close()
        await self.store.close()

    def client(self, role="admin", tenant=HOME, **headers):
        """A client in this process; role None: without a token."""
        if role is not None:
            headers.setdefault("Authorization", f"Bearer {self.texts[tenant, role]}")
        if role == "root":
            headers.setdefault("Outlast-Tenant", tenant)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=("127.0.0.1", 1)),
            base_url="http://outlast",
            headers=headers,
            timeout=20,
        )
        self._clients.append(client)
        return client

    async def submit(self, client, kind="add", spec=None, headers=None, **fields):
        body = {"kind": kind, "spec": {"a": 1} if spec is None else spec} | fields
        answer = await client.post("/v1/operations", json=body, headers=headers)
        assert answer.status_code in {200, 202}, answer.text
        return answer.json()

    async def claim(self, limit=1) -> list[Operation]:
        claim = Claim(
            kinds=frozenset(self.engine.kinds), worker="worker-1", limit=limit, lease_seconds=60
        )
        return await self.store.operations.claim(claim)

    async def decide(self, operation, decision, *arguments):
        """Take a decision of the domain under the operation's lease."""
        token = operation.lease.token
        change = Change(
            id=operation.id,
            tenant=None,
            decide=lambda stored, now: decision(stored, token, *arguments, now),
        )
        [answer] = await self.store.operations.apply([change])
        assert isinstance(answer, Operation), answer
        return answer

    async def succeed(self, operation, result=b'{"total":1}'):
        return await self.decide(operation, transitions.succeed, result)

    async def report(self, operation, done, total=10.0):
        resources = [ResourceProgress(urn="table:1", status="running")]
        return await self.decide(
            operation, transitions.report, Report(done=done, total=total, resources=resources)
        )

    @asynccontextmanager
    async def listening(self):
        """A real server on the loopback interface; gives its port."""
        listener = socket.create_server(("127.0.0.1", 0))
        config = server_config(self.app, timeout_graceful_shutdown=5)
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        try:
            yield listener.getsockname()[1]
        finally:
            self.hub.close()
            server.should_exit = True
            await serving
            listener.close()

    async def _make_token(self, maker, name, role):
        _, text = await self.tokens.create(maker, role, member=f"{role}-1")
        self.texts[name, role] = text

    async def _ready(self):
        if not self.is_ready:
            raise RuntimeError("the secret reason")

    def _evidences(self):
        return Evidences(
            self.engine.store,
            LocalObjects(self._folder / "objects"),
            OwnSandbox(self._folder / "evidence-calls"),
            spool=self._folder / "spool",
            bytes_max=self.limits.evidence_bytes,
        )

    def _stacks(self):
        objects = LocalObjects(self._folder / "objects")
        keyring = read_keys(make_key(), "a test")
        return Stacks(self.engine, self._secrets(), objects, keyring)

    def _vector_databases(self):
        return VectorDatabases(
            self.engine.store,
            LocalObjects(self._folder / "objects"),
            OwnSandbox(self._folder / "calls"),
            RelayEmbedder(self.chatting.relay),
            spool=self._folder / "spool",
        )

    def _databases(self):
        keyring = read_keys(make_key(), "a test")
        return Databases(self.engine.store, LocalObjects(self._folder / "objects"), keyring)

    def _secrets(self):
        return Secrets(
            self.store.catalog,
            read_keys(make_key(), "a test"),
            backends={},
            environment={},
            now=self.store.operations.now,
        )

    def _uploads(self, datasets):
        return Uploads(
            self.store,
            LocalObjects(self._folder / "objects"),
            datasets,
            spool=self._folder / "spool",
            upload_bytes_max=self.limits.upload_bytes,
        )

    def _files(self):
        return Files(
            self.store,
            LocalObjects(self._folder / "objects"),
            spool=self._folder / "spool",
            upload_bytes_max=self.limits.upload_bytes,
        )

    def _datasets(self):
        objects = LocalObjects(self._folder / "objects")
        publisher = Publisher(
            self.store.catalog,
            objects,
            now=self.store.operations.now,
            spool=self._folder / "publishing",
            temporary_days=7,
        )
        parser = Parser(
            OwnSandbox(self._folder / "calls"),
            objects,
            spool=self._folder / "spool",
            upload_bytes_max=self.limits.upload_bytes,
        )
        return Datasets(self.store, publisher, parser)


class _Server(uvicorn.Server):
    """A server that leaves signals alone."""

    def capture_signals(self):
        return threading.Lock()


async def raw_request(port, text, *, until=b"\r\n\r\n"):
    """Send bytes to a server; gives both ends of the connection and what came, up to a mark."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    await writer.drain()
    async with asyncio.timeout(10):
        received = await reader.readuntil(until)
    return reader, writer, received


def problem_of(answer) -> dict[str, Any]:
    """The problem document of an answer, checked for its form."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = json.loads(answer.text)
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"urn:outlast:error:{problem['code']}"
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem
