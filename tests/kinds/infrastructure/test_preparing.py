"""What is wrong with a deployment is said when it is asked for; what is right, is pinned."""

import msgspec
import pytest
from listed_stacks import (
    MAKER,
    PIN,
    VARIABLES,
    listed,
    listed_installation,
    listed_module,
    listed_stack,
)

from outlast.kinds import check_drift, deploy, destroy
from outlast.kinds.check_drift import CheckDriftSpec
from outlast.kinds.deploy import DeploySpec
from outlast.kinds.destroy import DestroySpec
from outlast.operations.errors import Conflict, InvalidSpec, NotFound, NotSupported, ResourceExists
from outlast.operations.kind import OPERATION, OperationDocument
from outlast.operations.states import State
from outlast.resources.connections.model import CONNECTION, ConnectionDocument
from outlast.resources.stacks import model
from outlast.resources.stacks.model import DeploymentDocument, ModulePin
from outlast.testing.running import ListedCatalog

STACK = "06EV0000000000000STK"
OPERATION_ID = "06EV0000000000000PPP"
TOOL = listed_installation(program="/usr/bin/tofu", is_needed=True)


class AttemptCatalog(ListedCatalog):
    """As an attempt sees it."""

    @property
    def operation_id(self):
        return OPERATION_ID


def catalog(*more, tool=TOOL, type=ListedCatalog):
    return type([tool, listed_module(), *more])


def pinned(pin=PIN, stack=STACK):
    document = DeploymentDocument(stack=stack, module=pin)
    return listed(model.DEPLOYMENT, "1", "", document, operation_id=OPERATION_ID)


def new(**fields):
    return DeploySpec(**({"module": "web", "name": "site", "variables": {"root": "/"}} | fields))


async def test_a_new_stack_reserves_its_name_and_pins_its_module():
    prepared = await deploy.prepare(new(), catalog())
    by_type = {write.type: write for write in prepared.writes}
    stack, pin = by_type[model.STACK], by_type[model.DEPLOYMENT]
    assert (stack.name, stack.expected_revision, stack.is_owned) == ("stack/site", 0, True)
    assert stack.fields == {"word": "stack", "connection": ""}
    assert pin.is_owned
    assert msgspec.json.decode(pin.document, type=DeploymentDocument).stack == stack.id
    assert prepared.concurrency_key == f"stack:{stack.id}"
    assert (prepared.resource_type, prepared.resource_id) == ("stack", stack.id)
    assert prepared.inputs == {"module.tar": PIN.key}


async def test_a_module_that_is_bound_to_a_word_makes_what_is_called_so():
    with_network = ListedCatalog([TOOL, listed_module(word="network")])
    prepared = await deploy.prepare(new(word="network"), with_network)
    assert prepared.resource_type == "network"
    with pytest.raises(InvalidSpec, match="bound to the word network"):
        await deploy.prepare(new(word="cluster"), with_network)


async def test_a_plan_of_what_does_not_exist_reserves_nothing():
    prepared = await deploy.prepare(new(plan_only=True), catalog())
    assert [write.type for write in prepared.writes] == [model.DEPLOYMENT]
    assert prepared.resource_id is None
    attempt = catalog(pinned(stack=""), type=AttemptCatalog)
    again = await deploy.prepare(new(plan_only=True), attempt)
    assert (again.plan.stack, again.plan.plan_only, again.files_prefix) == ("", True, None)
    assert "state_keys" not in again.secrets


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"variables": {"root": "/", "colour": "red"}}, "variables.colour"),
        ({"variables": {}}, "variables.root"),
        ({"variables": {"root": None}}, "variables.root"),
        ({"variables": {"root": "/", "password": "in the clear"}}, "variables.password"),
        ({"secret_variables": {"password": "in the clear"}}, "secret_variables.password"),
        ({"name": "9lives"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "06EV0000000000000STK"}, "name"),
        ({"name": None}, "name"),
    ],
)
async def test_what_is_wrong_is_named(wrong, field):
    with pytest.raises(InvalidSpec) as refused:
        await deploy.prepare(new(**wrong), catalog())
    assert field in refused.value.field_errors


@pytest.mark.parametrize(
    "spec",
    [DeploySpec(), DeploySpec(stack="a", module="web", name="b"), DeploySpec(stack="a", name="b"),
     new(variables={"root": "/", "password": "x"}, secret_variables={"password": "sealed:1"})],
)  # fmt: skip
async def test_a_spec_says_one_thing(spec):
    with pytest.raises(InvalidSpec):
        await deploy.prepare(spec, catalog())


async def test_what_is_missing_is_said():
    with pytest.raises(NotFound, match="module"):
        await deploy.prepare(new(module="none"), catalog())
    with pytest.raises(NotFound, match="stack"):
        await deploy.prepare(DeploySpec(stack="none"), catalog())
    with pytest.raises(ResourceExists):
        await deploy.prepare(new(), catalog(listed_stack(STACK, "site")))


@pytest.mark.parametrize("kind", ["deploy", "destroy", "check_drift"])
async def test_a_server_that_has_no_program_says_so_unless_others_do_the_work(kind):
    prepare, spec = {
        "deploy": (deploy.prepare, DeploySpec(stack="site")),
        "destroy": (destroy.prepare, DestroySpec(stack="site")),
        "check_drift": (check_drift.prepare, CheckDriftSpec(stack="site")),
    }[kind]
    stack = listed_stack(STACK, "site")
    with pytest.raises(NotSupported, match="neither tofu nor terraform"):
        await prepare(spec, catalog(stack, tool=listed_installation(is_needed=True)))
    without = catalog(stack, tool=listed_installation(is_needed=False))
    assert (await prepare(spec, without)).plan.tool.program is None


async def test_an_attempt_has_the_pinned_module_and_the_stack_as_it_is_by_then():
    older = ModulePin(name="web", key="modules/" + "b" * 64, environment=("REGION",))
    spec = DeploySpec(
        stack="site",
        variables={"nodes": 3, "root": None},
        secret_variables={"password": "sealed:1"},
    )
    stack = listed_stack(
        STACK,
        "site",
        variables={"root": "/srv", "colour": "red"},
        secret_names=("token",),
        state=model.states_prefix("default", STACK) + "00000001-x",
    )
    prepared = await deploy.prepare(spec, catalog(stack, pinned(older), type=AttemptCatalog))
    plan = prepared.plan
    assert plan.variables == {"nodes": 3, "colour": "red"}
    assert plan.secret_names == ("password", "token")
    assert (plan.module, plan.state) == (older, "00000001-x")
    assert prepared.inputs == {"module.tar": older.key}
    assert prepared.secrets == {
        "state_keys": f"stack:{STACK}",
        "variable/password": "sealed:1",
        "environment/REGION": "module:web/REGION",
    }
    assert prepared.files_prefix == f"tenant/default/stacks/{STACK}/"
    assert prepared.writes == ()


def connection(*, owner=MAKER, validated_at=1):
    """One that MAKER has looked at last with success, if anybody has."""
    document = ConnectionDocument(
        provider="local",
        settings={"folder": "/srv/data"},
        operation_id=None if validated_at is None else MAKER,
        validated_at=validated_at,
    )
    id = "06EV0000000000000CNN"
    return listed(CONNECTION, id, "disk", document, operation_id=owner)


async def test_a_connection_that_never_worked_as_it_is_is_not_used():
    changed = connection(validated_at=None)
    stack = listed_stack(STACK, "site", connection=changed.id)
    kinds = (deploy.prepare, DeploySpec(stack="site")), (destroy.prepare, DestroySpec(stack="site"))
    for prepare, spec in kinds:
        with pytest.raises(Conflict, match="never found to work"):
            await prepare(spec, catalog(stack, changed))
    with pytest.raises(Conflict):
        await deploy.prepare(new(connection="disk"), catalog(changed))


async def test_an_attempt_does_not_wait_for_a_connection_that_is_looked_at_again():
    looking = listed(
        OPERATION, "06EV0000000000000VAL", "", OperationDocument(
            kind="validate_connection", state=State.RUNNING, created_by="ada"
        )
    )  # fmt: skip
    again, spec = connection(owner=looking.id), DeploySpec(stack="site", connection="disk")
    things = (listed_stack(STACK, "site"), again, looking, pinned())
    prepared = await deploy.prepare(spec, catalog(*things, type=AttemptCatalog))
    assert prepared.plan.connection == again.id
    assert prepared.plan.plain_environment == {"OUTLAST_FOLDER": "/srv/data"}


async def test_a_variable_is_either_secret_or_not():
    stack = listed_stack(STACK, "site", secret_names=("nodes",))
    plain = DeploySpec(stack="site", variables={"nodes": 3})
    prepared = await deploy.prepare(plain, catalog(stack))
    assert (prepared.plan.secret_names, prepared.plan.variables["nodes"]) == ((), 3)
    gone = DeploySpec(stack="site", secret_variables={"nodes": None})
    assert (await deploy.prepare(gone, catalog(stack))).plan.secret_names == ()


async def test_a_stack_is_its_makers_and_before_it_has_one_its_operations():
    made = listed_stack(STACK, "site")
    assert (await destroy.prepare(DestroySpec(stack="site"), catalog(made))).owner == "ada"
    told = OperationDocument(kind="deploy", state=State.RUNNING, created_by="eve")
    making = listed(OPERATION, MAKER, MAKER, told)
    fresh = listed_stack(STACK, "site", created_by="")
    prepared = await destroy.prepare(DestroySpec(stack="site"), catalog(fresh, making))
    assert prepared.owner == "eve"
    [owning] = prepared.writes
    assert (owning.is_owned, owning.expected_revision) == (True, 1)


async def test_to_look_for_drift_owns_nothing():
    prepared = await check_drift.prepare(
        CheckDriftSpec(stack="site"), catalog(listed_stack(STACK, "site"))
    )
    assert (prepared.writes, prepared.owner) == ((), None)
    assert prepared.concurrency_key == f"stack:{STACK}"


def test_the_variables_of_the_double_are_what_the_tests_rely_on():
    assert [one.name for one in VARIABLES if one.is_required] == ["root"]
