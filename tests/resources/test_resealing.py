"""When the keys are rotated, secrets that stay are sealed with the new one."""

import msgspec
import pytest
from databases_for_tests import keep_database

from outlast.engine import Principal, Role
from outlast.engine.tokens import Tokens
from outlast.operations.errors import SecretMissing
from outlast.resources.connections.keeping import open_secrets, seal_secrets
from outlast.resources.connections.model import CONNECTION_SECRET
from outlast.resources.databases.model import PASSWORD
from outlast.resources.databases.passwords import open_password, seal_password
from outlast.resources.keyring import Sealed, make_key, read_keys
from outlast.resources.resealing import reseal

OLD, NEW = make_key(), make_key()


@pytest.fixture
async def kept(store):
    """A password and the secrets of a connection in a tenant, sealed with the old key."""
    root = Principal(tenant="default", member="root", role=Role.ROOT)
    await Tokens(store).create_tenant(root, "default")
    old = read_keys(OLD, "a test")
    database = await keep_database(store, "sales")
    await store.catalog.write(
        "default",
        [
            seal_password(old, "default", database, "open-sesame"),
            seal_secrets(old, "default", "c1", {"password": "hush"}),
        ],
    )
    return database


async def read(store, type, id):
    return await store.catalog.read("default", type, id)


async def test_what_an_old_key_sealed_is_sealed_anew_once(store, kept):
    both, new = (read_keys(text, "a test") for text in (f"{NEW},{OLD}", NEW))
    assert await reseal(store.catalog, both) == 2
    password = await read(store, PASSWORD, kept)
    assert open_password(new, password, "default", kept) == "open-sesame"
    secrets = await read(store, CONNECTION_SECRET, "c1")
    assert open_secrets(new, secrets, "default", "c1") == {"password": "hush"}
    assert await reseal(store.catalog, both) == await reseal(store.catalog, new) == 0


async def test_what_no_key_opens_stays_and_is_told(store, kept, caplog):
    new = read_keys(NEW, "a test")
    assert await reseal(store.catalog, new) == 0
    assert f"database_password {kept} is not sealed anew" in caplog.text
    password = await read(store, PASSWORD, kept)
    assert msgspec.json.decode(password.document, type=Sealed).key in read_keys(OLD, "").names
    with pytest.raises(SecretMissing):
        open_password(new, password, "default", kept)
