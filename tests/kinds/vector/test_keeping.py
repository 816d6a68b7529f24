"""What is stored of vector databases: fetched where it is elsewhere, and collected."""

import os

from lake import ANN
from vectors import MODEL, keep_rows

from outlast.operations.model import SECOND
from outlast.resources.vector_databases import VectorDatabaseCollector, model

TWO_DAYS = 2 * 86_400


class FarObjects:
    """An object store whose objects are on no disk of this machine."""

    def __init__(self, objects):
        self._objects = objects

    def local_path(self, key):
        _ = key

    def __getattr__(self, name):
        return getattr(self._objects, name)


async def test_it_is_searched_wherever_it_lies_and_kept_as_long_as_it_is_named(lake):
    await lake.work()
    await keep_rows(lake, "zoo", [{"text": "The owl hunts."}, {"text": "A web."}], ANN)
    built = await lake.result(
        "build_vector_database", name="zoo", dataset="zoo", embedding_model=MODEL
    )
    foundation = lake.foundation
    lake.vectors._objects = FarObjects(foundation.objects)
    [hit] = await lake.vectors.search(ANN, "zoo", "owl", limit=1)
    assert hit.text == "The owl hunts."
    assert not list(foundation.folder.spool.glob("fetched-*"))
    [named] = foundation.folder.objects.rglob("vector-databases/**/*.arrow")
    forgotten = foundation.folder.objects / model.file_key("default", "0" * 20, "0" * 64)
    recent = named.with_name("1" * 64 + ".arrow")
    forgotten.parent.mkdir(parents=True)
    for path in (forgotten, recent):
        path.write_bytes(b"x")
    for path in (forgotten, named):
        old = lake.store.operations.now() / SECOND - TWO_DAYS
        os.utime(path, (old, old))
    collector = VectorDatabaseCollector(
        lake.store.catalog, foundation.objects, now=lake.store.operations.now
    )
    assert await collector.collect() == 1
    assert (named.exists(), recent.exists(), forgotten.exists()) == (True, True, False)
    assert (await lake.vectors.get(ANN, "zoo")).id == built["vector_database"]
