"""A vector database of 10,000 chunks: how long it takes to build, with kills, and to search.

The embedding model is an endpoint that answers at once, so that what is measured is ours.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import msgspec
from killing import kill_handlers
from lake import ANN, Lake, a_lake
from vectors import MODEL, WordEmbedder, keep_rows, vector_of

from outlast.engine import Principal
from outlast.executors.calls import Sandbox
from outlast.operations.model import Operation
from outlast.resources.vector_databases import VectorDatabases
from outlast.settings import Backend

SEARCHES = 20


def rows(count: int) -> list[dict[str, Any]]:
    words = [f"word{number}" for number in range(997)]
    return [
        {"document": " ".join(words[(n * 31 + k * k) % 997] for k in range(100)), "n": n}
        for n in range(count)
    ]


async def measure(chunks: int, kills: int) -> None:
    with WordEmbedder() as double, tempfile.TemporaryDirectory() as folder:
        double.keeps_requests = False
        backends = {"embedder": Backend(url=double.url, models=(MODEL,))}
        async with a_lake(Path(folder), backends=backends) as lake:
            await keep_rows(lake, "many", rows(chunks), ANN)
            began = time.perf_counter()
            operation = await lake.submit(
                "build_vector_database", name="many", dataset="many", embedding_model=MODEL
            )
            await lake.work()
            for kill in range(1, kills + 1):
                await embedded(lake, operation, chunks * kill // (kills + 1))
                kill_handlers()
            ended = await lake.ended(operation, 600)
            seconds = time.perf_counter() - began
            assert ended.state == "succeeded", ended.failure
            result = msgspec.json.decode(ended.result)
            again = double.embedded.total() - result["chunks"]
            print(f"{result['chunks']} chunks built in {seconds:.1f} s, {kills} kills")
            print(f"attempts {ended.attempt}; chunks embedded again: {again}")
            await search(lake)


async def embedded(lake: Lake, operation: Operation, count: int) -> None:
    while True:
        [found] = await lake.store.operations.get("default", [operation.id])
        saved = msgspec.json.decode(found.checkpoint or b'{"embedded": 0}')
        if saved["embedded"] >= count:
            return
        await asyncio.sleep(0.05)


async def search(lake: Lake) -> None:
    async def embed(principal: Principal, model: str, text: str) -> list[float]:
        _ = principal, model
        return vector_of(text)

    foundation = lake.foundation
    vectors = VectorDatabases(
        foundation.store,
        foundation.objects,
        Sandbox(foundation.launcher),
        embed,
        spool=foundation.folder.spool,
    )
    took = []
    for number in range(SEARCHES):
        began = time.perf_counter()
        await vectors.search(ANN, "many", f"word{number} word{number + 31}", filters={})
        took.append(time.perf_counter() - began)
    print(f"a search: median {statistics.median(took) * 1000:.0f} ms, slowest {max(took):.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=3)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.chunks, arguments.kills))
