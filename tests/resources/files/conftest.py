import pytest

from outlast.operations.kind import CatalogWrite
from outlast.resources.files import FileCollector, FilePublisher, Files


@pytest.fixture
async def tenant(store):
    write = CatalogWrite(type="tenant", id="default", name="default", document=b"{}")
    await store.catalog.write("system", [write])


@pytest.fixture
def files(store, objects, spool):
    return Files(store, objects, spool=spool, upload_bytes_max=1_000_000)


@pytest.fixture
def file_publisher(store, objects, spool):
    return FilePublisher(store.catalog, objects, spool=spool)


@pytest.fixture
def file_collector(store, objects, tenant):
    return FileCollector(store.catalog, objects, now=store.operations.now)


@pytest.fixture
def keys(objects):
    async def keys():
        return [info.key async for info in objects.walk("")]

    return keys
