"""Every door shows what came through any other: an operation in each state, where it has a word.

Pure: every kind that some dialect shows, as each of them renders it. Over HTTP: an operation that
is created through each door, as every door polls it.
"""

import chainloop_examples
import datarobot_examples
import gooddata_examples
import lakesail_examples
import nebius_examples
import pytest

from outlast.dialects.port import Reply
from outlast.http.app import DIALECTS
from outlast.operations import transitions
from outlast.operations.failure import Failure
from outlast.operations.kind import Kind
from outlast.operations.states import State
from outlast.testing.dialect_contract import make_operation

ALL = {name: dialect for name, (dialect, _) in DIALECTS.items()}
EXAMPLES = (
    lakesail_examples.EXAMPLES
    | chainloop_examples.EXAMPLES
    | nebius_examples.EXAMPLES
    | gooddata_examples.EXAMPLES
    | datarobot_examples.EXAMPLES
)
POLLS = {
    "chainloop": "/chainloop/v1/operations/{id}",
    "datarobot": "/api/v2/genai/status/{id}/",
    "gooddata": "/gooddata/api/v1/ailake/operations/{id}",
    "lakesail": "/lakesail/api/v1/operations/{id}",
    "nebius": "/nebius/v1/operations/{id}",
}
NATIVE = "/v1/operations/{id}"
BROKEN = Failure(code="invalid_rows", message="line 3 is no row", fault="user")
TABLE = b"id,text\n1,owls\n"


def asked(path, **fields):
    async def ask(client):
        answer = await client.post(path, **fields)
        assert answer.status_code in {200, 202}, answer.text

    return ask


async def provision(client):
    body = {"name": "sales", "storageIds": []}
    answer = await client.post("/gooddata/api/v1/ailake/database/instances", json=body)
    assert answer.status_code == 202, answer.text


DOORS = {
    "native": ("add", asked("/v1/operations", json={"kind": "add", "spec": {"a": 1}})),
    "chainloop": (
        "evidence_evaluation",
        asked("/chainloop/v1/agents/evaluate-evidence", json={"content": "{}"}),
    ),
    "datarobot": (
        "file_to_dataset",
        asked("/api/v2/datasets/fromFile/", files={"file": ("birds.csv", TABLE)}),
    ),
    "gooddata": ("provision_database", provision),
    "lakesail": (
        "discover_instance_types",
        asked("/lakesail/api/v1/infra/instance-types", json={"provider": "aws"}),
    ),
    "nebius": (
        "sql_query",
        asked(
            "/nebius/v1/operations",
            json={
                "type": "yql",
                "params": {"query": "SELECT 1"},
                "src": [],
                "dst": [{"id": "birds"}],
            },
        ),
    ),
}
"""How an operation is created at each door, and of which kind it is."""


@pytest.fixture
def kinds(serving):
    """Every kind of the doors and of the examples, taking any spec."""
    anything = serving.engine.kinds["anything"]
    for name in {*EXAMPLES, *(kind for kind, _ in DOORS.values())} - {"add"}:
        serving.engine.kinds[name] = Kind(
            name, spec=anything.spec, result=anything.result, run=anything.run, executor="inline"
        )


def test_the_matrix_has_every_dialect():
    assert set(ALL) == set(POLLS) == set(DOORS) - {"native"}
    for name, (kind, _) in DOORS.items():
        assert name == "native" or ALL[name].shows(kind)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", EXAMPLES)
def test_all_dialects_that_show_a_kind_say_the_same_of_it(kind, state):
    failure = BROKEN if state is State.FAILED else None
    operation = make_operation(kind, EXAMPLES[kind], state, failure=failure)
    for name, dialect in ALL.items():
        if dialect.shows(kind):
            check(name, dialect.read(dialect.render(operation)), operation)


@pytest.mark.parametrize("one", ALL)
@pytest.mark.parametrize("other", ALL)
def test_an_id_of_one_wire_is_read_at_every_other(one, other):
    operation = make_operation("add", EXAMPLES["add"], State.PENDING)
    assert ALL[other].read_id(ALL[one].show_id(operation.id)) == operation.id


@pytest.mark.parametrize("door", DOORS)
async def test_what_is_created_at_a_door_is_followed_at_every_door(serving, client, kinds, door):
    kind, create = DOORS[door]
    for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED):
        await create(client)
        [pending] = (await client.get("/v1/operations", params={"state": "pending"})).json()[
            "operations"
        ]
        assert pending["kind"] == kind
        await check_everywhere(client, serving, pending["id"], State.PENDING)
        [running] = await serving.claim()
        await check_everywhere(client, serving, running.id, State.RUNNING)
        if state is State.CANCELLED:
            await client.post(f"/v1/operations/{running.id}/cancel")
            await check_everywhere(client, serving, running.id, State.RUNNING)
            await serving.decide(running, transitions.confirm_cancel)
        elif state is State.FAILED:
            await serving.decide(running, transitions.fail, BROKEN, None)
        else:
            await serving.succeed(running)
        await check_everywhere(client, serving, running.id, state)


async def check_everywhere(client, serving, id, state):
    """Poll it at every door."""
    [operation] = await serving.store.operations.get(None, [id])
    assert operation.state is state
    native = (await client.get(NATIVE.format(id=id))).json()
    assert (native["id"], native["state"]) == (id, state)
    for name, dialect in ALL.items():
        answer = await client.get(POLLS[name].format(id=dialect.show_id(id)))
        if not dialect.shows(operation.kind):
            assert answer.status_code == 404, (name, answer.text)
            continue
        reply = Reply(
            status=answer.status_code,
            headers=list(answer.headers.items()),
            body=answer.content,
            media=answer.headers["content-type"],
        )
        check(name, dialect.read(reply), operation)


def check(name, reading, operation):
    """What was read at a door is what there is."""
    dialect, state = ALL[name], operation.state
    assert dialect.read_id(reading.id) == operation.id or reading.id == operation.alias
    assert dialect.words[reading.state] == dialect.words[state], name
    assert reading.state.is_terminal == state.is_terminal
    assert reading.kind in {None, operation.kind}
    if state is State.FAILED:
        assert reading.failure is None or BROKEN.message in reading.failure
    elif state is not State.CANCELLED:
        assert reading.failure is None
    for instant in ("created_at", "started_at", "finished_at"):
        shown, stored = getattr(reading, instant), getattr(operation, instant)
        assert shown is None or abs(shown - stored) < 1_000_000, (name, instant)
