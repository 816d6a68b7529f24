"""A server over a store whose clock and ids are the same in every run, for golden files."""

import json
from typing import Any

import chainloop_examples
import datarobot_examples
import gooddata_examples
import httpx
import lakesail_examples
import msgspec
import nebius_examples
from databases_for_tests import keep_database, keep_pipe_table
from datasets_for_tests import stream
from services_for_tests import KINDS, SERVICES
from serving import OwnSandbox
from stacks_for_tests import VARIABLES, keep_connection, keep_stack

from outlast.engine import Engine, Hub, Principal, Role, Wish
from outlast.engine.preparing import OwnPreparer
from outlast.engine.tokens import Tokens
from outlast.http import Parts, Site
from outlast.http.nebius.datasets import READER
from outlast.kinds import service_command
from outlast.operations import transitions
from outlast.operations.errors import InvalidSpec, NotFound, ResourceExists
from outlast.operations.failure import Failure
from outlast.operations.kind import Kind
from outlast.resources.configured import ConfiguredStore
from outlast.resources.connections import Connections
from outlast.resources.credentials import Credentials
from outlast.resources.databases.library import Databases
from outlast.resources.datasets import Datasets, Publisher, Uploads
from outlast.resources.datasets.parser import Parser
from outlast.resources.files import Files
from outlast.resources.keyring import make_key, read_keys
from outlast.resources.objects import LocalObjects
from outlast.resources.pipe_tables.library import PipeTables
from outlast.resources.secrets import Secrets
from outlast.resources.services import Services
from outlast.resources.stacks import Stacks
from outlast.resources.vector_databases import VectorDatabases
from outlast.settings import Limits, ObjectStoreSettings, Settings
from outlast.store.port import Change, Claim
from outlast.store.sqlite import SqliteStore
from outlast.testing.clock import ManualClock

EXAMPLES = (
    datarobot_examples.EXAMPLES
    | lakesail_examples.EXAMPLES
    | nebius_examples.EXAMPLES
    | gooddata_examples.EXAMPLES
    | {"evidence_evaluation": chainloop_examples.EXAMPLES["evidence_evaluation"]}
)
RESOURCES = (
    datarobot_examples.RESOURCES | lakesail_examples.RESOURCES | chainloop_examples.RESOURCES
)
ADA = Principal(tenant="default", member="ada", role=Role.ADMIN)
KEYRING = read_keys(make_key(), "a test")
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
        self.database_id = ""
        self.vector_database_id = ""

    async def open(self):
        await self.store.open()
        self.hub = Hub(self.store.operations, 10)
        kinds = {name: self._kind(name) for name in [*EXAMPLES, "thumbnails"]}
        kinds |= {kind.name: kind for kind in (*KINDS, *service_command.kinds)}
        stores = {
            "lake": ObjectStoreSettings(url="s3://orders/2026", region="eu-north-1"),
            "folder": ObjectStoreSettings(url=f"file://{self.folder}"),
            "own": ObjectStoreSettings(url="s3://all-tenants"),
        }
        settings = Settings(limits=Limits(), object_stores=stores, objects="own")
        store = ConfiguredStore(self.store, settings, SERVICES)
        self.engine = Engine(
            store, kinds, hub=self.hub, limits=settings.limits, retention=settings.retention
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
            files=self._files(),
            vector_databases=self._vector_databases(),
            connections=Connections(self.engine, KEYRING),
            credentials=Credentials(store, KEYRING),
            databases=Databases(store, LocalObjects(self.folder / "objects"), KEYRING),
            pipe_tables=PipeTables(store),
            services=Services(store.catalog, kinds, OwnPreparer()),
            stacks=Stacks(self.engine, self._secrets(), self._objects(), KEYRING),
        )
        site = Site(parts, ready=self._ready, version="1")
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(site.main), base_url="http://outlast"
        )

    async def close(self):
        await self.client.aclose()
        await self.store.close()

    async def ask(self, request):
        """Send a golden's request.

        {id} in its path is the last operation, {dataset}, {database} and {vector_database} are what
        was made last.
        """
        role = request["headers"].pop("role", "admin")
        if role in self.tokens:
            request["headers"]["Authorization"] = f"Bearer {self.tokens[role]}"
        made = {"id": self.id, "dataset": self.dataset_id, "database": self.database_id}
        made["vector_database"] = self.vector_database_id
        for name, id in made.items():
            request["url"] = request["url"].replace(f"{{{name}}}", id)
        return await self.client.request(**request)

    async def prepare(self, given):
        """Make what is given, several things with commas, a second apart.

        "KIND STATE", "KIND STATE as ID", "dataset", "database NAME", then "pipe_table NAME",
        "vector_database NAME"; of what the last operation has made "stack NAME", "network NAME",
        "cluster NAME", "connection NAME".
        """
        for words in filter(None, given.split(", ")):
            kind, _, state = words.partition(" ")
            if kind == "dataset":
                await self.make_dataset()
            elif kind == "database":
                self.database_id = await keep_database(self.store, state)
            elif kind == "vector_database":
                self.vector_database_id = await datarobot_examples.keep(self.store, state)
            elif kind in {"stack", "network", "cluster"}:
                await keep_stack(self.store, kind, state, self.id, variables=VARIABLES[kind])
            elif kind == "connection":
                await keep_connection(self.store, state, self.id)
            elif kind == "pipe_table":
                await keep_pipe_table(self.store, self.database_id, state)
            else:
                await self.make(kind, state)
            self.clock.advance(1)

    async def make_dataset(self):
        """A dataset with two rows."""
        body = stream(json.dumps(nebius_examples.DATASET).encode())
        made = await self.datasets.create_from_body(ADA, body, READER, 10_000)
        self.dataset_id = made.id

    async def make(self, kind, state):
        spec = EXAMPLES[kind].spec if kind in EXAMPLES else {}
        state, _, operation_id = state.partition(" as ")
        project = "example_project" if state.endswith("project") else None
        resource = RESOURCES.get(kind, (None, None))
        wish = Wish(
            kind=kind,
            spec=msgspec.json.encode(spec),
            project=project,
            resource_type=resource[0],
            resource_id=resource[1],
            operation_id=operation_id or None,
            request_id="r-0",
        )
        operation = (await self.engine.submit(ADA, wish)).operation
        self.id = operation.id
        if state.startswith("queued"):
            return
        self.clock.advance(10)
        claim = Claim(kinds=frozenset({kind}), worker="w", limit=1, lease_seconds=60)
        [operation] = await self.store.operations.claim(claim)
        if kind in lakesail_examples.REPORTS:
            report = lakesail_examples.REPORTS[kind]
            await self._apply(operation, transitions.report, operation.lease.token, report)
        self.clock.advance(60)
        token, result = operation.lease.token, msgspec.json.encode(EXAMPLES[kind].result)
        match state:
            case "succeeded":
                await self._apply(operation, transitions.succeed, token, result)
            case "failed":
                await self._apply(operation, transitions.fail, token, FAILURE, None)
            case "cancelled" | "gone":
                await self.engine.cancel(ADA, operation.id)
                await self._apply(operation, transitions.confirm_cancel, token)
                if state == "gone":
                    await self.engine.delete(ADA, operation.id)

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

    def _files(self):
        objects, spool = LocalObjects(self.folder / "objects"), self.folder / "spool"
        return Files(self.store, objects, spool=spool, upload_bytes_max=100_000)

    def _vector_databases(self):
        async def embed(principal, model, text): ...

        objects, spool = LocalObjects(self.folder / "objects"), self.folder / "spool"
        sandbox = OwnSandbox(self.folder / "calls")
        return VectorDatabases(self.store, objects, sandbox, embed, spool=spool)

    def _kind(self, name):
        async def run(spec, context): ...

        return Kind(name, spec=Any, result=Any, run=run, prepare=prepare, executor="inline")

    def _objects(self):
        return LocalObjects(self.folder / "objects")

    def _secrets(self):
        now = self.store.operations.now
        return Secrets(self.store.catalog, KEYRING, backends={}, environment={}, now=now)

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
    if "no_such_storage" in text:
        message = "there is no object store 'no_such_storage' in the settings"
        raise InvalidSpec(message, field_errors={"storages": message})
    if '"taken"' in text:
        raise ResourceExists("the database 'taken' exists already", field_errors={"name": "taken"})
    if "text2image" in text:
        raise InvalidSpec("Batch inference is only supported for text2text models")
    return spec
