"""Stacks through the native API: operations are made of what callers say, and secrets sealed."""

from pathlib import Path

import msgspec
import pytest
from serving import Serving, problem_of
from stacks_for_tests import MODULES, keep_stack

from outlast.kinds import check_drift, deploy, destroy
from outlast.resources.keyring import stack_purpose
from outlast.resources.stacks import model
from outlast.resources.stacks.states import KeptState, seal_state
from outlast.settings import Infrastructure

KINDS = [*check_drift.kinds, *deploy.kinds, *destroy.kinds]
STATE = {
    "resources": [],
    "outputs": {"password": {"value": "correct-horse", "type": "string", "sensitive": True}},
}


async def serve(folder, program="/bin/true", modules=MODULES):
    infrastructure = Infrastructure(program=None if program is None else Path(program))
    serving = Serving(folder, kinds=KINDS, modules=modules, infrastructure=infrastructure)
    await serving.open()
    return serving


@pytest.fixture
async def serving(tmp_path):
    serving = await serve(tmp_path)
    yield serving
    await serving.close()


@pytest.fixture
def client(serving):
    return serving.client("admin")


async def test_modules_tell_what_they_want_to_be_told(client):
    modules = {one["name"]: one for one in (await client.get("/v1/modules")).json()["modules"]}
    assert list(modules) == ["kube", "shop", "vpc"]
    assert (modules["vpc"]["word"], modules["vpc"]["version"]) == ("network", "vpc")
    wanted = {one["name"]: one["is_required"] for one in modules["vpc"]["variables"]}
    assert wanted["cidr"] is True
    assert wanted["region"] is False


async def test_a_new_stack_is_an_operation_and_its_secrets_are_not_stored(serving, client):
    body = {
        "module": "shop",
        "name": "one",
        "variables": {"size": 2},
        "secret_variables": {"password": "correct-horse"},
    }
    headers = {"Idempotency-Key": "k"}
    answer = await client.post("/v1/stacks", json=body, headers=headers)
    made = answer.json()
    assert (answer.status_code, made["kind"], made["resource_type"]) == (202, "deploy", "stack")
    assert answer.headers["location"] == f"/v1/operations/{made['id']}"
    assert made["spec"]["secret_variables"]["password"].startswith("sealed:")
    assert "correct-horse" not in answer.text
    again = await client.post("/v1/stacks", json=body, headers=headers)
    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (made["id"], "true")
    shown = (await client.get("/v1/stacks/one")).json()
    assert (shown["id"], shown["status"]) == (made["resource_id"], "deploying")
    assert shown["secret_names"] == ["password"]
    assert shown["created_by"] == made["created_by"]
    taken = problem_of(await client.post("/v1/stacks", json=body))
    assert taken["code"] == "resource_exists"


async def test_each_change_is_an_operation_of_its_own_kind(serving, client):
    id = await keep_stack(serving.store, "stack", "one")
    document = msgspec.json.decode(
        (await serving.store.catalog.read("default", model.STACK, id)).document
    )
    document["module"]["name"] = "shop"
    write = model.CatalogWrite(
        type=model.STACK, id=id, name="stack/one", document=msgspec.json.encode(document)
    )
    await serving.store.catalog.write("default", [write])
    kinds = []
    for method, path, body in (
        ("PATCH", "one", {"variables": {"size": 3}}),
        ("POST", f"{id}/check-drift", None),
        ("DELETE", "one", None),
    ):
        answer = await client.request(method, f"/v1/stacks/{path}", json=body)
        assert answer.status_code == 202, answer.text
        kinds.append((answer.json()["kind"], answer.json()["concurrency_key"]))
    key = f"stack:{id}"
    assert kinds == [("deploy", key), ("check_drift", key), ("destroy", key)]
    assert (await client.get("/v1/stacks/one")).json()["status"] == "destroying"


async def test_names_are_of_a_word_and_lists_are_in_pages(serving, client):
    for number in range(2):
        await keep_stack(serving.store, "network", f"n{number}")
    await keep_stack(serving.store, "stack", "s")
    listed = (await client.get("/v1/stacks?word=network&page_size=1")).json()
    query = {"word": "network", "page_size": 1, "page_token": listed["next_page_token"]}
    rest = (await client.get("/v1/stacks", params=query)).json()
    assert [one["name"] for one in listed["stacks"] + rest["stacks"]] == ["n1", "n0"]
    assert (await client.get("/v1/stacks/n0")).status_code == 404
    assert (await client.get("/v1/stacks/n0?word=network")).json()["word"] == "network"
    assert problem_of(await client.get("/v1/stacks?word=house"))["code"] == "invalid_spec"


async def test_sensitive_outputs_are_for_who_may_read_secrets_and_that_is_audited(serving, client):
    id = await keep_stack(serving.store, "stack", "one")
    assert problem_of(await client.get("/v1/stacks/one/outputs"))["code"] == "conflict"
    stacks, name = serving.stacks, "00000001-06EV0000000000000MKR-0001"
    keys = stacks._keyring.narrow(stack_purpose("default", id))
    kept = KeptState(state=msgspec.Raw(msgspec.json.encode(STATE)))
    key = model.states_prefix("default", id) + name
    await stacks._objects.put_bytes(key, seal_state(keys, kept, name))
    resource = await serving.store.catalog.read("default", model.STACK, id)
    document = msgspec.structs.replace(model.stack_document(resource), state=key)
    await serving.store.catalog.write(
        "default", [model.change_stack(resource, document, is_owned=False)]
    )
    answer = await client.get("/v1/stacks/one/outputs")
    assert answer.json()["outputs"]["password"]["value"] == "correct-horse"
    records = (await client.get("/v1/audit")).json()["records"]
    assert [one["target"] for one in records if one["action"] == "stack.read_outputs"] == [id]
    refused = await serving.client("submitter").get("/v1/stacks/one/outputs")
    assert problem_of(refused)["code"] == "forbidden"


async def test_what_others_made_is_for_operators(serving):
    await keep_stack(serving.store, "stack", "one")
    refused = await serving.client("submitter").delete("/v1/stacks/one")
    assert problem_of(refused)["code"] == "forbidden"
    assert (await serving.client("operator").delete("/v1/stacks/one")).status_code == 202


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({"name": "n"}, "invalid_spec", "name a module"),
        ({"name": "n", "module": "none"}, "not_found", "no module"),
        ({"name": "n", "word": "network", "module": "shop"}, "invalid_spec", "bound to the word"),
        ({"name": "n", "module": "shop", "variables": {"x": 1}}, "invalid_spec", "no such"),
        ({"name": "n", "module": "vpc"}, "invalid_spec", "is required"),
    ],
)
async def test_what_is_wrong_is_said_at_once(client, body, code, says):
    problem = problem_of(await client.post("/v1/stacks", json=body))
    assert (problem["code"], says in problem["detail"]) == (code, True)


async def test_a_word_that_no_module_is_bound_to_is_not_supported(tmp_path):
    serving = await serve(tmp_path, modules={})
    answer = await serving.client("admin").post("/v1/stacks", json={"name": "n", "word": "cluster"})
    assert problem_of(answer)["code"] == "not_supported"
    assert answer.status_code == 501
    assert 'word = "cluster"' in answer.json()["detail"]
    await serving.close()


async def test_without_a_program_nothing_is_accepted(tmp_path):
    serving = await serve(tmp_path, program=None)
    body = {"name": "n", "module": "shop"}
    answer = await serving.client("admin").post("/v1/stacks", json=body)
    assert problem_of(answer)["code"] == "not_supported"
    await serving.close()
