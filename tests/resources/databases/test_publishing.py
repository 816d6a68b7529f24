"""What an operation did to a database becomes what the catalog tells of it, or nothing does."""

import msgspec
import pytest
from databases_for_tests import MAKER, keep_database
from publications import publication

from outlast.operations.errors import Conflict, TooLarge
from outlast.resources.configured import ConfiguredStore
from outlast.resources.databases import (
    DatabasePublisher,
    NewDatabaseFile,
    NewPostgresDatabase,
    RemovedDatabase,
    model,
)
from outlast.resources.keyring import make_key, read_keys
from outlast.settings import Settings

OTHER = "06EV00000000000000TH"


@pytest.fixture
def catalog(store):
    return ConfiguredStore(store, Settings()).catalog


@pytest.fixture
def publish(store, catalog, objects, spool, tmp_path):
    """Publish as an operation does; the documents by type."""
    keyring = read_keys(make_key(), "a test")

    async def dependents(tenant, database):
        assert tenant == "default"
        return [model.CatalogWrite(type="thing", id=database)]

    publisher = DatabasePublisher(
        catalog, objects, keyring, spool=spool, bytes_max=100, dependents=[dependents]
    )

    async def publish(wish, operation=OTHER):
        document = msgspec.json.encode(wish)
        workdir = tmp_path / "work"
        writes = await publisher.publish(
            publication(document, workdir, operation, created_by="eve")
        )
        await store.catalog.write("default", writes)
        return writes

    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "new").write_bytes(b"new content")
    (tmp_path / "work" / "large").write_bytes(b"x" * 101)
    return publish


async def document_of(catalog, id):
    return model.database_document(await catalog.read("default", model.DATABASE, id))


async def test_a_new_file_takes_the_place_of_the_one_it_was_made_from(
    store, catalog, objects, publish
):
    id = await keep_database(store, "sales")
    old = model.file_key("default", id, "0" * 64)
    await objects.put_bytes(old, b"old content")
    before = await objects.find(old)
    await publish(NewDatabaseFile(database=id, file="new", replaces=old))
    document = await document_of(catalog, id)
    assert (document.bytes, document.operation_id, document.created_by) == (11, MAKER, "ada")
    assert b"".join([chunk async for chunk in objects.read(document.file)]) == b"new content"
    assert (await objects.find(old)).modified_at >= before.modified_at
    with pytest.raises(Conflict, match="has changed meanwhile"):
        await publish(NewDatabaseFile(database=id, file="new", replaces=old))


async def test_the_first_file_is_for_who_reserved_the_name(store, catalog, publish):
    unmade = {"operation_id": None, "file": None, "created_by": ""}
    id = await keep_database(store, "sales", owner=OTHER, **unmade)
    wish = NewDatabaseFile(database=id, file="new", replaces=None)
    with pytest.raises(Conflict, match="another operation's"):
        await publish(wish, operation=MAKER)
    await publish(wish)
    document = await document_of(catalog, id)
    assert (document.operation_id, document.created_by) == (OTHER, "eve")


@pytest.mark.parametrize(
    ("wish", "error", "says"),
    [
        ({"file": "large"}, TooLarge, "limits.database_bytes"),
        ({"file": "../new"}, Conflict, "not the name of a file"),
        ({"file": "none"}, Conflict, "cannot be opened"),
        ({"database": "06EV00000000000000XX"}, Conflict, "is no more"),
        ({"database": 7}, Conflict, "malformed"),
    ],
)
async def test_what_no_database_can_become_is_refused(
    store, catalog, publish, *, wish, error, says
):
    id = await keep_database(store, "sales")
    key = model.file_key("default", id, "0" * 64)
    wanted = {"type": "database_file", "database": id, "file": "new", "replaces": key}
    with pytest.raises(error, match=says):
        await publish(wanted | wish)
    assert (await document_of(catalog, id)).file == key


async def test_a_password_is_kept_sealed(store, catalog, publish):
    id = await keep_database(store, "sales", owner=OTHER, operation_id=None, file=None)
    wish = NewPostgresDatabase(
        database=id, host="h", port=1, database_name="d", role="r", password="the password"
    )
    await publish(wish)
    assert (await document_of(catalog, id)).postgres.role == "r"
    kept = await catalog.read("default", model.PASSWORD, id)
    assert b"the password" not in kept.document


async def test_what_there_was_only_in_the_database_goes_with_it(store, catalog, publish):
    id = await keep_database(store, "sales", owner=OTHER)
    with pytest.raises(Conflict):
        await publish(RemovedDatabase(database=id), operation=MAKER)
    writes = await publish(RemovedDatabase(database=id))
    assert {write.type for write in writes} == {"database", "database_password", "thing"}
    assert await catalog.read("default", model.DATABASE, id) is None
