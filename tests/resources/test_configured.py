import msgspec
import pytest

from outlast.operations.errors import Invalid
from outlast.operations.kind import CatalogWrite
from outlast.resources.configured import BackendDocument, ConfiguredStore, ObjectStoreDocument
from outlast.settings import Backend, ObjectStoreSettings, Settings

SETTINGS = Settings(
    backends={
        "cloud": Backend(url="https://m.test", models=("m",), api_key_variable="CLOUD_KEY"),
        "local": Backend(folder="/models/tiny", concurrency=2),
        "zoo": Backend(url="https://z.test", models=("z",)),
    },
    object_stores={
        "lake": ObjectStoreSettings(
            url="s3://lake/raw", access_key_variable="LAKE_ID", secret_key_variable="LAKE_KEY"
        )
    },
)


@pytest.fixture
def catalog(store):
    return ConfiguredStore(store, SETTINGS).catalog


@pytest.mark.parametrize("tenant", ["default", "other"])
async def test_every_tenant_reads_what_the_settings_name(catalog, tenant):
    found = await catalog.read(tenant, "backend", "cloud")
    assert (found.tenant, found.id, found.name, found.revision) == (tenant, "cloud", "cloud", 1)
    backend = msgspec.json.decode(found.document, type=BackendDocument)
    assert (backend.url, backend.models, backend.has_key) == ("https://m.test", ("m",), True)
    assert await catalog.read(tenant, "backend", "nowhere") is None
    local = await catalog.read(tenant, "backend", "local")
    assert msgspec.json.decode(local.document)["folder"] == "/models/tiny"


async def test_lists_go_backwards_by_name_in_pages(catalog):
    names = [one.id for one in await catalog.find("default", "backend", limit=2)]
    assert names == ["zoo", "local"]
    rest = await catalog.find("default", "backend", before_id=names[-1])
    assert [one.id for one in rest] == ["cloud"]
    up = await catalog.find("default", "backend", after_id="cloud", limit=1)
    assert [one.id for one in up] == ["local"]
    assert await catalog.find("default", "backend", fields={"operation_id": "x"}) == []


async def test_no_key_and_no_name_of_a_variable_is_shown(catalog):
    found = await catalog.find("default", "backend") + await catalog.find("default", "object_store")
    assert len(found) == 4
    assert "KEY" not in repr(found)
    assert "LAKE_ID" not in repr(found)


@pytest.mark.parametrize("type", ["backend", "object_store"])
def test_nobody_can_even_wish_to_write_them(type):
    with pytest.raises(Invalid, match="settings"):
        CatalogWrite(type=type, id="cloud", document=b"{}")
    with pytest.raises(Invalid, match="settings"):
        msgspec.json.decode(msgspec.json.encode({"type": type, "id": "x"}), type=CatalogWrite)


async def test_all_else_is_the_catalogs(catalog, store):
    write = CatalogWrite(type="dataset", id="d", name="words", document=b"{}", fields={"a": "b"})
    assert await catalog.write("default", [write]) == [
        await store.catalog.read("default", "dataset", "words")
    ]
    assert await catalog.find("default", "dataset", fields={"a": "b"}) == [
        await catalog.read("default", "dataset", "d")
    ]


async def test_where_the_installation_keeps_its_own_bytes_is_told(store):
    stores = {
        "main": ObjectStoreSettings(url="s3://b/outlast"),
        "above": ObjectStoreSettings(url="s3://b"),
        "below": ObjectStoreSettings(url="s3://b/outlast/tenant/"),
        "beside": ObjectStoreSettings(url="s3://b/outlast-exports"),
        "elsewhere": ObjectStoreSettings(url="s3://b/outlast", endpoint="http://e.test"),
    }
    catalog = ConfiguredStore(store, Settings(object_stores=stores, objects="main")).catalog
    found = await catalog.find("default", "object_store")
    own = {
        one.id
        for one in found
        if msgspec.json.decode(one.document, type=ObjectStoreDocument).is_own
    }
    assert own == {"main", "above", "below"}
