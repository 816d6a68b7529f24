"""A server over a store whose clock and ids are the same in every run, for golden files."""

import json
from typing import Any

import httpx
import msgspec
from datasets_for_tests import stream
from nebius_examples import DATASET, EXAMPLES
from serving import OwnSandbox

from outlast.engine import Engine, Hub, Principal, Role, Wish
from outlast.engine.tokens import Tokens
from outlast.http import Parts, Site
from outlast.http.nebius.datasets import READER
from outlast.operations import transitions
from outlast.operations.errors import InvalidSpec, NotFound
from outlast.operations.failure import Failure
from outlast.operations.kind import Kind
from outlast.resources.datasets import Datasets, Publisher, Uploads
from outlast.resources.datasets.parser import Parser
from outlast.resources.objects import LocalObjects
from outlast.settings import Limits, Settings
from outlast.store.port import Change, Claim
from outlast.store.sqlite import SqliteStore
from outlast.testing.clock import ManualClock

ADA = Principal(tenant="default", member="ada", role=Role.ADMIN)
FAILURE = Failure(
    code="invalid_rows",
    message="Invalid request rows 3 of 3 exceed the 10% limit.",
    fault="user",
    field_errors={"src": "no row can be used"},
    details={"lines": ['Line:1 custom_id:p1 model "gpt" is not known', "Line:2 not JSON"]},
    cause=Failure(code="crashed", message="the backend closed the connection", fault="platform"),
)


class World:
    """One tenant's operations, of kinds that take any spec and run nothing."""

    def __init__(self, folder):
        self.clock = ManualClock(1_760_109_124_250_000)
        self.store = SqliteStore(folder / "outlast.db", clock=self.clock)
        self.folder = folder
        self.id = ""
        self.dataset_id = ""

    async def open(self):
        await self.store.open()
        self.hub = Hub(self.store.operations, 10)
        kinds = {name: self._kind(name) for name in [*EXAMPLES, "thumbnails"]}
        settings = Settings(limits=Limits())
        self.engine = Engine(
            self.store, kinds, hub=self.hub, limits=settings.limits, retention=settings.retention
        )
        tokens = Tokens(self.store)
        root = msgspec.structs.replace(ADA, role=Role.ROOT)
        await tokens.create_tenant(root, "default")
        self.tokens = {
            role: (await tokens.create(ADA, role, member=f"{role}-1"))[1]
            for role in (Role.VIEWER, Role.ADMIN)
        }
        self.datasets, uploads = self._datasets()
        parts = Parts(
            engine=self.engine,
            tokens=tokens,
            settings=settings,
            datasets=self.datasets,
            uploads=uploads,
        )
        site = Site(parts, ready=self._ready, version="1")
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(site.main), base_url="http://outlast"
        )

    async def close(self):
        await self.client.aclose()
        await self.store.close()

    async def ask(self, request):
        """Send a golden's request; {id} in its path is the last operation, {dataset} a dataset."""
        role = request["headers"].pop("role", "admin")
        if role in self.tokens:
            request["headers"]["Authorization"] = f"Bearer {self.tokens[role]}"
        url = request["url"].replace("{id}", self.id).replace("{dataset}", self.dataset_id)
        request["url"] = url
        return await self.client.request(**request)

    async def prepare(self, given):
        """Make what is given: "KIND STATE" or "dataset", several with commas, a second apart."""
        for words in filter(None, given.split(", ")):
            kind, _, state = words.partition(" ")
            if kind == "dataset":
                await self.make_dataset()
            else:
                await self.make(kind, state)
            self.clock.advance(1)

    async def make_dataset(self):
        """A dataset with two rows."""
        body = stream(json.dumps(DATASET).encode())
        made = await self.datasets.create_from_body(ADA, body, READER, 10_000)
        self.dataset_id = made.id

    async def make(self, kind, state):
        spec = EXAMPLES[kind].spec if kind in EXAMPLES else {}
        project = "example_project" if state.endswith("project") else None
        wish = Wish(kind=kind, spec=msgspec.json.encode(spec), project=project)
        operation = (await self.engine.submit(ADA, wish)).operation
        self.id = operation.id
        if state.startswith("queued"):
            return
        self.clock.advance(10)
        claim = Claim(kinds=frozenset({kind}), worker="w", limit=1, lease_seconds=60)
        [operation] = await self.store.operations.claim(claim)
        self.clock.advance(60)
        token, result = operation.lease.token, msgspec.json.encode(EXAMPLES[kind].result)
        match state:
            case "succeeded":
                await self._apply(operation, transitions.succeed, token, result)
            case "failed":
                await self._apply(operation, transitions.fail, token, FAILURE, None)
            case "cancelled":
                await self.engine.cancel(ADA, operation.id)
                await self._apply(operation, transitions.confirm_cancel, token)

    async def _apply(self, operation, decision, *arguments):
        decide = lambda stored, now: decision(stored, *arguments, now)  # noqa: E731
        change = Change(id=operation.id, tenant=None, decide=decide)
        [answer] = await self.store.operations.apply([change])
        assert not isinstance(answer, Exception), answer

    def _datasets(self):
        objects = LocalObjects(self.folder / "objects")
        spool = {"spool": self.folder / "spool"}
        publisher = Publisher(
            self.store.catalog, objects, now=self.store.operations.now, temporary_days=7, **spool
        )
        sandbox = OwnSandbox(self.folder / "calls")
        parser = Parser(sandbox, objects, upload_bytes_max=100_000, **spool)
        datasets = Datasets(self.store, publisher, parser)
        return datasets, Uploads(self.store, objects, datasets, upload_bytes_max=100_000, **spool)

    def _kind(self, name):
        async def run(spec, context): ...

        return Kind(name, spec=Any, result=Any, run=run, prepare=prepare, executor="inline")

    async def _ready(self): ...


async def prepare(spec, catalog):
    """Refuse what a golden asks to have refused."""
    _ = catalog
    text = msgspec.json.encode(spec).decode()
    if "no_such_dataset" in text:
        raise NotFound("there is no dataset 'no_such_dataset'")
    if "SELECT 1 +" in text:
        message = "unexpected end of query at line 1, column 11"
        raise InvalidSpec(message, field_errors={"query": message})
    if "text2image" in text:
        raise InvalidSpec("Batch inference is only supported for text2text models")
    return spec
