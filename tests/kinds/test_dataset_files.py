"""From files to datasets and back, in real locked children."""

import json
import os

import msgspec
import pytest
from datasets_for_tests import ManualClock, gather, principal, stream
from publications import publication

from outlast.engine.preparing import TenantCatalog
from outlast.executors.calls import Sandbox
from outlast.executors.launching import Launcher
from outlast.executors.port import Assignment, Failed, Finished
from outlast.executors.subprocess import SubprocessExecutor, blueprints_of
from outlast.kinds import dataset_to_file, file_to_dataset
from outlast.operations import ids
from outlast.operations.errors import InvalidSpec, NotFound, ResourceExists
from outlast.operations.kind import CatalogWrite
from outlast.resources.datasets import Datasets, Publisher
from outlast.resources.datasets.parser import Parser
from outlast.resources.files import FilePublisher, Files
from outlast.resources.objects import LocalObjects
from outlast.store.sqlite.store import SqliteStore

MODULES = (file_to_dataset, dataset_to_file)
ROWS = [{"n": n, "text": f"row {n}", "more": {"x": [n]}} for n in range(5)]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


class Sink:
    """The worker's side of a Context, that keeps the reports."""

    def __init__(self):
        self.reports = []

    def report(self, report):
        self.reports.append(report)

    def log(self, at, text):
        raise AssertionError(text)


class Bench:
    """What a worker does for one operation, without a queue: prepare, run, publish."""

    def __init__(self, store, data, launcher, executor):
        spool = data / "spool"
        self.store, self.executor = store, executor
        self.objects = objects = LocalObjects(data / "objects")
        datasets = Publisher(
            store.catalog, objects, now=store.operations.now, spool=spool, temporary_days=7
        )
        self.publishers = {
            "dataset_version": datasets,
            "file": FilePublisher(store.catalog, objects, spool=spool),
        }
        parser = Parser(Sandbox(launcher), objects, spool=spool, upload_bytes_max=50_000_000)
        self.datasets = Datasets(store, datasets, parser)
        self.files = Files(store, objects, spool=spool, upload_bytes_max=50_000_000)
        self.ann = principal("ann")

    async def file(self, content, name="rows.jsonl"):
        made = await self.files.create(
            self.ann, name=name, purpose="user_data", chunks=stream(content)
        )
        return made.id

    async def outcome(self, module, **spec):
        catalog = TenantCatalog(self.store.catalog, "default")
        [kind] = module.kinds
        prepared = await module.prepare(msgspec.convert(spec, kind.spec), catalog)
        operation_id = ids.make_id(self.store.operations.now(), ids.random_bits())
        assignment = Assignment(
            operation_id=operation_id,
            kind=kind.name,
            module=module.__name__,
            plan=msgspec.json.encode(prepared.plan),
            attempt=1,
            inputs={n: self.objects.local_path(key) for n, key in prepared.inputs.items()},
            lease_seconds=60,
            cancel_grace_seconds=2,
        )
        running = await self.executor.start(assignment, Sink())
        try:
            outcome = await running.wait()
            for document in getattr(outcome, "writes", ()):
                tag = msgspec.json.decode(document)["type"]
                writes = await self.publishers[tag].publish(
                    publication(document, running.workdir, operation_id)
                )
                await self.store.catalog.write("default", writes)
        finally:
            await running.discard()
        return outcome

    async def run(self, module, **spec):
        outcome = await self.outcome(module, **spec)
        assert isinstance(outcome, Finished), outcome
        return msgspec.json.decode(outcome.result)

    async def rows(self, dataset):
        return json.loads((await self.datasets.rows(self.ann, dataset)).rows)


@pytest.fixture
async def bench(tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o711)
    store = SqliteStore(data / "outlast.db", clock=ManualClock())
    await store.open()
    launcher = Launcher(data / "work", environment={"PATH": os.environ["PATH"]})
    await launcher.open()
    kinds = {kind.name: kind for module in MODULES for kind in module.kinds}
    names = {kind.name: module.__name__ for module in MODULES for kind in module.kinds}
    executor = SubprocessExecutor(launcher, blueprints_of(kinds, names), warm=0)
    await executor.open()
    yield Bench(store, data, launcher, executor)
    await executor.close()
    await launcher.close()
    await store.close()


@pytest.mark.parametrize(
    ("name", "content"),
    [("rows.jsonl", LINES), ("rows", LINES), ("rows.CSV", b"n,text\n0,row 0\n"), ("r.csv", b"n\n")],
)
async def test_a_file_becomes_a_temporary_dataset(bench, name, content):
    result = await bench.run(file_to_dataset, file=await bench.file(content, name))
    dataset = await bench.datasets.get(bench.ann, result["dataset"])
    assert (dataset.is_temporary, dataset.origin) == (True, "operation")
    assert dataset.current_version == result["version"]
    rows = await bench.rows(dataset.id)
    assert len(rows) == result["rows"]
    assert rows == (ROWS if content is LINES else rows)


async def test_a_file_of_many_parts_is_read_as_one(bench):
    id = await bench.file(LINES)
    found = await bench.store.catalog.read("default", "file", id)
    document = json.loads(found.document)
    [part] = document["parts"]
    for number, piece in enumerate((LINES[:50], LINES[50:])):
        key = f"{part['key']}-{number}"
        await bench.objects.put_bytes(key, piece)
        document["parts"].append({"key": key, "bytes": len(piece)})
    del document["parts"][0]
    await bench.store.catalog.write(
        "default", [CatalogWrite(type="file", id=id, document=json.dumps(document).encode())]
    )
    result = await bench.run(file_to_dataset, file=id, dst={"dataset": "mine"})
    assert result["dataset"] == "mine"
    assert await bench.rows("mine") == ROWS


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"a":1}\n{"a":\n', "line 2"),
        ("a.jsonl", b'{"a":1}\n{"a":"x"}\n', "line 2, column 'a'"),
        ("a.csv", b"a,b\n1,2\n3\n", "row 3"),
        ("a.parquet", b"PAR1garbage", "Parquet"),
        ("a.jsonl", b"\x00\xff\xfe garbage", "line 1"),
        ("empty.jsonl", b"", "no rows"),
    ],
)
async def test_what_cannot_be_read_fails_and_names_the_place(bench, name, content, says):
    outcome = await bench.outcome(file_to_dataset, file=await bench.file(content, name))
    assert isinstance(outcome, Failed)
    assert (outcome.failure.code, outcome.failure.fault) == ("invalid_file", "user")
    assert says in outcome.failure.message


async def test_what_is_not_there_or_taken_is_refused_at_once(bench):
    id = await bench.file(LINES)
    with pytest.raises(NotFound):
        await bench.outcome(file_to_dataset, file="nothing")
    with pytest.raises(InvalidSpec):
        await bench.outcome(file_to_dataset, file=id, dst={"dataset": "no name"})
    target = {"dataset": "mine", "version_name": "v1"}
    await bench.run(file_to_dataset, file=id, dst=target)
    with pytest.raises(ResourceExists):
        await bench.outcome(file_to_dataset, file=id, dst=target)
    with pytest.raises(NotFound):
        await bench.outcome(dataset_to_file, dataset="mine", version="v2")
    with pytest.raises(InvalidSpec):
        await bench.outcome(dataset_to_file, dataset="mine", purpose="NO PURPOSE")


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
async def test_a_dataset_goes_to_a_file_and_comes_back(bench, format):
    await bench.run(file_to_dataset, file=await bench.file(LINES), dst={"dataset": "mine"})
    result = await bench.run(
        dataset_to_file, dataset="mine", format=format, name=f"out.{format}", purpose="batch"
    )
    file = await bench.files.get(bench.ann, result["file"])
    assert (file.name, file.purpose, file.bytes) == (f"out.{format}", "batch", result["bytes"])
    content = await gather(bench.files.read(bench.ann, file.id))
    assert len(content) == file.bytes
    back = await bench.run(file_to_dataset, file=file.id)
    rows = await bench.rows(back["dataset"])
    if format == "csv":
        rows = [row | {"more": json.loads(row["more"])} for row in rows]
    assert rows == ROWS
