from databases_for_tests import keep_database
from serving import problem_of

from outlast.operations import ids
from outlast.operations.kind import CatalogWrite
from outlast.resources.databases import model
from outlast.resources.databases.model import PostgresPlace

JSON = {"Content-Type": "application/json"}
PLACE = PostgresPlace(host="db.example", port=5432, database="o1", role="o1", secret="s")


async def test_databases_are_listed_in_pages_and_found_by_name(serving, client):
    for number in range(3):
        await keep_database(serving.store, f"d{number}")
    first = (await client.get("/v1/databases?page_size=2")).json()
    assert [one["name"] for one in first["databases"]] == ["d2", "d1"]
    query = {"page_size": 2, "page_token": first["next_page_token"]}
    rest = (await client.get("/v1/databases", params=query)).json()
    assert ([one["name"] for one in rest["databases"]], rest["next_page_token"]) == (["d0"], None)
    named = (await client.get("/v1/databases?name=d1")).json()["databases"]
    assert [one["name"] for one in named] == ["d1"]
    query["name"] = "d1"
    answer = await client.get("/v1/databases", params=query)
    assert problem_of(answer)["code"] == "invalid_page_token"


async def test_a_database_tells_what_is_known_of_it(serving, client):
    id = await keep_database(serving.store, "sales")
    shown = (await client.get("/v1/databases/sales")).json()
    assert (await client.get(f"/v1/databases/{ids.to_uuid(id)}")).json() == shown
    assert shown.pop("created_at")
    [source] = shown.pop("data_sources")
    assert source == {"id": source["id"], "data_source_id": "sales", "name": "sales"}
    assert shown == {
        "id": id,
        "name": "sales",
        "engine": "duckdb",
        "status": "ready",
        "storages": ["lake"],
        "bytes": 12_288,
        "created_by": "ada",
        "operation_id": "06EV0000000000000MKR",
    }
    problem = problem_of(await client.get("/v1/databases/none"))
    assert problem["code"] == "not_found"


async def test_the_file_of_a_database_is_downloaded(serving, client):
    id = await keep_database(serving.store, "sales", bytes=7)
    key = model.file_key("default", id, "0" * 64)
    await serving.databases._objects.put_bytes(key, b"content")
    answer = await client.get("/v1/databases/sales/file")
    assert (answer.status_code, answer.content) == (200, b"content")
    assert answer.headers["content-disposition"] == 'attachment; filename="sales.duckdb"'
    await keep_database(serving.store, "other", file=None, postgres=PLACE)
    problem = problem_of(await client.get("/v1/databases/other/file"))
    assert "connect to it" in problem["detail"]


async def test_data_sources_are_attached_replaced_and_detached(serving, client):
    await keep_database(serving.store, "sales")
    path = "/v1/databases/sales/data-sources"
    made = await client.post(path, json={"data_source_id": "eu", "name": "Europe"})
    assert (made.status_code, made.json()["name"]) == (201, "Europe")
    again = problem_of(await client.post(path, json={"data_source_id": "eu"}))
    assert again["code"] == "resource_exists"
    put = await client.put(f"{path}/eu", json={"data_source_id": "us"})
    assert (put.status_code, put.json()["data_source_id"]) == (200, "us")
    assert (await client.delete(f"{path}/us")).status_code == 204
    problem = problem_of(await client.delete(f"{path}/sales"))
    assert "last" in problem["detail"]
    assert problem_of(await client.delete(f"{path}/us"))["code"] == "not_found"
    for body in ({}, {"data_source_id": 1}, {"data_source_id": "x", "y": 1}):
        assert (await client.post(path, json=body)).status_code == 400
    viewer = serving.client("viewer")
    assert (await viewer.post(path, json={"data_source_id": "x"})).status_code == 403


async def test_a_password_is_shown_to_operators_alone(serving):
    id = await keep_database(serving.store, "sales", file=None, postgres=PLACE)
    path = "/v1/databases/sales/credentials"
    refused = problem_of(await serving.client("submitter").get(path))
    assert refused["code"] == "forbidden"
    operator = serving.client("operator")
    missing = await operator.get(path)
    assert problem_of(missing)["code"] == "secret_missing"
    await keep_password(serving, id)
    shown = await operator.get(path)
    assert shown.json() == {
        "host": "db.example",
        "port": 5432,
        "database": "o1",
        "user": "o1",
        "password": "the password",
        "url": "postgresql://o1:the password@db.example:5432/o1",
    }
    assert shown.headers["cache-control"] == "no-store"


async def keep_password(serving, id):
    from outlast.resources.databases.passwords import seal_password  # noqa: PLC0415

    write = seal_password(serving.databases._keyring, "default", "s", "the password")
    assert isinstance(write, CatalogWrite)
    _ = id
    await serving.store.catalog.write("default", [write])
