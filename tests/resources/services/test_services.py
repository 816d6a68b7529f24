"""Services: found, asked for their status, and told what to do, through the real worker."""

import sys
from pathlib import Path

import pytest
import pytest_asyncio
from datasets_for_tests import stream
from lake import ANN, OPERATOR, a_lake

from outlast.app.kinds import install_kinds
from outlast.engine import Principal, Role
from outlast.executors.calls import Sandbox
from outlast.operations.errors import Forbidden, InvalidSpec, NotFound, TooLarge, Unavailable
from outlast.operations.service import Service
from outlast.settings import ServiceSettings, Settings, SettingsError

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLUGIN = """
import time
from outlast.operations.kind import Kind
from outlast.operations.service import Service

def twice(spec, context):
    return 2 * spec["x"]

async def tell(catalog):
    found = await catalog.find("dataset")
    return {"datasets": len(found)}

def dawdle(catalog):
    time.sleep(60)

def babble(catalog):
    return {"text": "x" * 15_000}

def fail(catalog):
    raise RuntimeError("no idea")

kinds = [Kind("twice", spec=dict[str, int], result=int, run=twice)]
services = [
    Service("plugin", commands={"double": "twice"}, status=tell),
    Service("slow", commands={}, status=dawdle),
    Service("loud", commands={}, status=babble),
    Service("bad", commands={}, status=fail),
    Service("list_teller", commands={}, status=lambda catalog: [1]),
    Service("silent", commands={}),
]
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugin")
    Path(folder, "service_plugin.py").write_text(PLUGIN)
    sys.path.insert(0, str(folder))
    yield "service_plugin"
    sys.path.remove(str(folder))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lake(tmp_path_factory, plugin):
    named = {"arithmetic": ServiceSettings(commands={"two": "twice"}, description="Sums.")}
    folder = tmp_path_factory.mktemp("lake")
    async with a_lake(folder, kinds=(plugin,), services=named) as lake:
        lake.services = lake.foundation.services()
        # Its children are ready then.
        await lake.services.status(ANN, "plugin")
        await lake.work()
        yield lake


async def test_services_are_found_by_name_and_by_an_id_that_stays(lake):
    found = {one.name: one for one in await lake.services.find(ANN)}
    assert list(found) == sorted(found)
    assert {"databases", "datasets", "plugin", "arithmetic"} <= set(found)
    assert found["databases"].id == Service("databases", commands={}).id
    one = await lake.services.get(ANN, found["arithmetic"].id.upper())
    assert (one.name, one.description) == ("arithmetic", "Sums.")
    assert [(command.name, command.kind) for command in one.commands] == [("two", "twice")]
    with pytest.raises(NotFound, match="no service 'nothing'"):
        await lake.services.get(ANN, "nothing")


async def test_a_command_is_run_as_its_kind_would_be(lake):
    spec = {"service": "plugin", "command": "double", "payload": {"x": 21}, "context": {"a": None}}
    assert await lake.result("service_command", **spec) == 42
    await lake.result("provision_database", name="sales")
    described = await lake.result(
        "service_command", service="databases", command="describe", payload={"database": "sales"}
    )
    assert (described["name"], described["tables"]) == ("sales", [])
    operation = await lake.submit(
        "service_command", service="databases", command="compact", payload={"database": "sales"}
    )
    database = await lake.databases.get(ANN, "sales")
    assert operation.kind == "service_command"
    assert operation.concurrency_key == f"database:{database.id}"
    assert (await lake.ended(operation)).state == "succeeded"


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ({"service": "none", "command": "x"}, NotFound, "no service 'none'"),
        ({"service": "plugin", "command": "x"}, NotFound, "it has double"),
        ({"service": "silent", "command": "x"}, NotFound, "it has none"),
        ({"payload": {"x": "one"}}, InvalidSpec, "twice: Expected `int`"),
        ({"payload": {"x": 1, "y": "z" * 15_000}}, TooLarge, "at most 15000"),
        ({"payload": [1]}, InvalidSpec, "payload"),
        ({"context": {"a": 1}}, InvalidSpec, "context"),
        ({"context": {"": "b"}}, InvalidSpec, "keys of 1 to 255"),
        ({"context": {"a": "b" * 5000}}, InvalidSpec, "values of at most"),
        ({"context": {str(n): None for n in range(101)}}, InvalidSpec, "at most 100"),
    ],
)
async def test_what_is_wrong_with_a_command_is_said_at_once(lake, spec, error, says):
    wanted = {"service": "plugin", "command": "double", "payload": {"x": 1}} | spec
    with pytest.raises(error, match=says):
        await lake.submit("service_command", **wanted)


async def test_a_command_needs_the_role_that_its_kind_needs(lake):
    spec = {"service": "datasets", "command": "collect"}
    with pytest.raises(Forbidden, match="may not operate"):
        await lake.submit("service_command", **spec)
    result = await lake.result("service_command", OPERATOR, **spec)
    assert result == {"datasets": 0, "objects": 0}


async def test_a_status_is_what_the_service_says_of_the_callers_tenant(lake):
    before = await lake.services.status(ANN, "databases")
    await lake.result("provision_database", name="counted")
    after = await lake.services.status(ANN, "databases")
    assert after["databases"]["ready"] == before["databases"].get("ready", 0) + 1
    assert after["bytes"] > before["bytes"]
    elsewhere = Principal(tenant="elsewhere", member="eve", role=Role.VIEWER)
    assert await lake.services.status(elsewhere, "databases") == {
        "databases": {},
        "bytes": 0,
        "are_all_counted": True,
    }
    assert await lake.services.status(elsewhere, "datasets") == {
        "datasets": 0,
        "temporary": 0,
        "are_all_counted": True,
    }
    assert set(await lake.services.status(ANN, "plugin")) == {"datasets"}
    assert await lake.services.status(ANN, "silent") is None
    with pytest.raises(NotFound):
        await lake.services.status(ANN, "nothing")


@pytest.mark.parametrize(
    ("service", "says"),
    [
        ("slow", "took more than 2 s|too long"),
        ("loud", "says 15011 characters; at most 15000"),
        ("bad", "no idea"),
        ("list_teller", "Expected `object`"),
    ],
)
async def test_a_service_that_cannot_tell_harms_nobody(lake, service, says):
    with pytest.raises(Unavailable, match=says):
        await lake.services.status(ANN, service)
    assert set(await lake.services.status(ANN, "plugin")) == {"datasets"}


@pytest.mark.parametrize(
    ("services", "says"),
    [
        ({"one": ServiceSettings(commands={"a": "no_kind"})}, "'no_kind', which is not here"),
        ({"one": ServiceSettings(commands={"a": "analyze_postgresql"})}, "which is not here"),
        ({"databases": ServiceSettings(commands={})}, "two that are called 'databases'"),
        ({"One": ServiceSettings(commands={})}, "name must match"),
        ({"one": ServiceSettings(commands={"a b": "sql_query"})}, "command's name must match"),
    ],
)
async def test_services_that_cannot_be_are_refused_at_the_start(services, says):
    with pytest.raises(SettingsError, match=says):
        install_kinds(Settings(services=services))


async def test_verifying_a_dataset_finds_a_part_that_is_not_what_it_was(lake):
    datasets = lake.foundation.datasets(Sandbox(lake.foundation.launcher))
    await datasets.create(ANN, "ones")
    await datasets.upload(ANN, "ones", stream(b'{"x": 1}\n' * 100), "jsonl")
    command = {"service": "datasets", "command": "verify", "payload": {"dataset": "ones"}}
    result = await lake.result("service_command", **command)
    assert (result["parts"], result["bytes"] > 0) == (1, True)
    [part] = (lake.foundation.folder.objects / "tenant/default/parts").iterdir()
    content = part.read_bytes()
    part.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    failure = await lake.failure("service_command", **command)
    assert (failure.code, failure.details) == ("damaged", {"parts": [part.stem]})
    part.unlink()
    assert (await lake.failure("service_command", **command)).code == "not_found"
