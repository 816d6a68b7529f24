"""Connections over HTTP: what is told, and that secrets are not."""

import pytest
from serving import Serving, problem_of

from outlast.kinds.validate_connection import kinds
from outlast.settings import ConnectionsSettings

POSTGRES = {
    "name": "sales",
    "provider": "postgresql",
    "settings": {"host": "db.example.com", "database": "sales", "user": "ada"},
    "secrets": {"password": "open-sesame"},
}


@pytest.fixture
async def serving(tmp_path):
    folders = ConnectionsSettings(folders=(tmp_path,))
    serving = Serving(tmp_path, kinds=kinds, connections=folders)
    await serving.open()
    yield serving
    await serving.close()


async def test_a_connection_is_made_told_changed_and_looked_at_again(serving):
    client = serving.client()
    answer = await client.post("/v1/connections", json=POSTGRES)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["location"] == f"/v1/connections/{made['id']}"
    assert (made["status"], made["secret_names"]) == ("validating", ["password"])
    assert (await client.get("/v1/connections/sales")).json() == made
    changed = await client.patch(
        "/v1/connections/sales", json={"region": "eu", "secrets": {"password": None}}
    )
    assert (changed.json()["region"], changed.json()["secret_names"]) == ("eu", [])
    again = await client.post("/v1/connections/sales/validate")
    assert again.status_code == 202
    operations = {answer.json()["operation_id"] for answer in (answer, changed, again)}
    assert len(operations) == 3
    for id in operations:
        found = (await client.get(f"/v1/operations/{id}")).json()
        assert (found["kind"], found["resource_id"]) == ("validate_connection", made["id"])
    shown = [answer.text, changed.text, again.text, (await client.get("/v1/audit")).text]
    assert "open-sesame" not in "".join(shown)
    busy = await client.delete("/v1/connections/sales")
    assert problem_of(busy)["code"] == "conflict"


async def test_lists_are_paged(serving):
    client = serving.client()
    for name in ("a", "b", "c"):
        await client.post("/v1/connections", json=POSTGRES | {"name": name})
    page = (await client.get("/v1/connections?page_size=2")).json()
    assert [one["name"] for one in page["connections"]] == ["c", "b"]
    token = page["next_page_token"]
    rest = (await client.get(f"/v1/connections?page_token={token}")).json()
    assert [one["name"] for one in rest["connections"]] == ["a"]
    assert rest["next_page_token"] is None


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"provider": "moon"}, 422, "invalid_spec"),
        ({"settings": {}}, 422, "invalid_spec"),
        ({"colour": "red"}, 400, "invalid_request"),
        (
            {"provider": "local", "settings": {"folder": "/etc"}, "secrets": {}},
            422,
            "invalid_spec",
        ),
        (
            {
                "provider": "s3",
                "settings": {"url": "s3://b", "endpoint": "http://127.0.0.1"},
                "secrets": {},
            },
            422,
            "outbound_refused",
        ),
    ],
)
async def test_what_is_no_connection_is_refused(serving, change, status, code):
    answer = await serving.client().post("/v1/connections", json=POSTGRES | change)
    assert (answer.status_code, problem_of(answer)["code"]) == (status, code)
    taken = await serving.client().post("/v1/connections", json=POSTGRES)
    assert taken.status_code == 201
    again = await serving.client().post("/v1/connections", json=POSTGRES)
    assert problem_of(again)["code"] == "resource_exists"
