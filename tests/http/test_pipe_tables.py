from msgspec.json import encode
from serving import HOME, problem_of

from outlast.operations.kind import CatalogWrite
from outlast.resources.databases.model import DATABASE, DatabaseDocument
from outlast.resources.pipe_tables import model
from outlast.resources.pipe_tables.model import Contents, Definition, TableColumn

ID = "06EV00000000000000R0"


async def given(serving, *tables):
    """A database that is ready, with pipe tables of which an `a...` was never finished."""
    database = DatabaseDocument(
        engine="duckdb", storages=("lake",), data_sources=(), operation_id="made", file="key"
    )
    owned = {"operation_id": "made"}
    writes = [
        CatalogWrite(type=DATABASE, id=ID, name="sales", document=encode(database), fields=owned)
    ]
    for table in tables:
        document = model.PipeTableDocument(
            database=ID,
            table=table,
            definition=Definition(storage="lake", path_prefix="in", polling_seconds=60),
            created_by="ann",
            operation_id=None if table.startswith("a") else "made",
            contents=Contents(columns=(TableColumn("n", "BIGINT"),), files=2, bytes=30, rows=3),
        )
        writes.append(
            CatalogWrite(
                type=model.PIPE_TABLE,
                id=model.pipe_table_id(ID, table),
                name=model.full_name(ID, table),
                document=encode(document),
                fields={"database": ID, **owned},
            )
        )
    await serving.store.catalog.write(HOME, writes)


async def test_the_pipe_tables_of_a_database_come_in_pages(serving, client):
    await given(serving, "orders", "abandoned", "customers", "visits")
    names, token = [], None
    for _ in range(5):
        query = {"page_size": 2} | ({"page_token": token} if token else {})
        page = (await client.get("/v1/databases/sales/pipe-tables", params=query)).json()
        names += [table["table"] for table in page["pipe_tables"]]
        token = page["next_page_token"]
        if token is None:
            break
    assert sorted(names) == ["customers", "orders", "visits"]


async def test_a_pipe_table_is_found_by_the_name_or_id_of_its_database(serving, client):
    await given(serving, "orders")
    found = (await client.get("/v1/databases/sales/pipe-tables/orders")).json()
    assert (found["status"], found["storage"], found["polling_seconds"]) == ("ready", "lake", 60)
    assert (found["files"], found["bytes"], found["rows"]) == (2, 30, 3)
    assert found["columns"] == [{"name": "n", "type": "BIGINT"}]
    by_id = (await client.get(f"/v1/databases/{ID}/pipe-tables/orders")).json()
    assert by_id == found


async def test_what_is_not_there_or_not_yours_is_not_found(serving, client):
    await given(serving, "orders", "abandoned")
    other = serving.client(tenant="away")
    for one, path in (
        (client, "sales/pipe-tables/nothing"),
        (client, "sales/pipe-tables/abandoned"),
        (client, "nowhere/pipe-tables"),
        (other, "sales/pipe-tables"),
        (other, "sales/pipe-tables/orders"),
    ):
        answer = await one.get(f"/v1/databases/{path}")
        assert (answer.status_code, problem_of(answer)["code"]) == (404, "not_found"), path
