"""300 chunks, and attempts that are killed: no chunk is missing, and none is there twice."""

import asyncio

import msgspec
import pyarrow as pa
from killing import kill_handlers
from lake import ANN
from model_double import Fault
from vectors import MODEL, keep_rows

CHUNKS = 300
KILLS = 2


async def test_killed_again_and_again_it_embeds_nothing_twice_that_it_has_counted(lake, embedder):
    rows = [{"document": f"chunk number {n} of them all"} for n in range(CHUNKS)]
    await keep_rows(lake, "many", rows, ANN)
    # Each answer takes a moment, so that there is something to kill.
    embedder.fault = lambda _: Fault(seconds=0.05)
    operation = await lake.submit(
        "build_vector_database", name="many", dataset="many", embedding_model=MODEL
    )
    await lake.work()
    for kill in range(1, KILLS + 1):
        await embedded_at_least(lake, operation, 64 * kill)
        assert kill_handlers(lake.foundation.folder.work) == 1
    ended = await lake.ended(operation, 60)
    assert (ended.state, ended.attempt) == ("succeeded", KILLS + 1), ended.failure
    assert set(embedder.embedded) == {row["document"] for row in rows}
    # What was under way when it was killed may have been asked again, and nothing else.
    assert embedder.embedded.total() <= CHUNKS + KILLS * 64
    [path] = lake.foundation.folder.objects.rglob("vector-databases/**/*.arrow")
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    assert table["id"].to_pylist() == list(range(CHUNKS))
    assert table["text"].to_pylist() == [row["document"] for row in rows]
    [hit] = await lake.vectors.search(ANN, "many", "chunk number 211 of them all", limit=1)
    assert round(hit.score, 5) == 1


async def embedded_at_least(lake, operation, count):
    """Wait until the checkpoint counts so many chunks, on this attempt or an earlier one."""
    async with asyncio.timeout(30):
        while True:
            [found] = await lake.store.operations.get("default", [operation.id])
            saved = msgspec.json.decode(found.checkpoint or b'{"embedded": 0}')
            if saved["embedded"] >= count:
                return
            await asyncio.sleep(0.01)
