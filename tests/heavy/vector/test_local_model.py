"""The local embedding model, in locked children: built, killed, searched, and how well it finds."""

import asyncio
import json

import msgspec
import pyarrow as pa
from killing import kill_handlers
from lake import ANN, a_lake
from vectors import keep_rows

from outlast.executors.calls import Sandbox
from outlast.resources.vector_databases import VectorDatabases
from outlast.resources.vector_databases.calls import SearchArguments
from outlast.resources.vector_databases.locked import search
from outlast.resources.vector_databases.model import CHUNKS_FILE

FACTS = {
    "Which bird cannot fly and lives in Antarctica?": "Penguins swim in the cold southern seas; "
    "their wings have become flippers.",
    "How do plants make food from light?": "In photosynthesis, leaves turn sunshine, water and "
    "carbon dioxide into sugar.",
    "What keeps the planets on their paths?": "Gravity pulls every body of the solar system "
    "towards the sun.",
    "Who painted the ceiling of the Sistine Chapel?": "Michelangelo spent four years on his "
    "frescoes in the Vatican.",
    "Why is the sea salty?": "Rivers wash minerals out of rocks into the ocean, where only the "
    "water evaporates.",
    "How is bread made to rise?": "Yeast eats sugar in the dough and gives off gas, which makes "
    "bubbles.",
    "What does a vaccine do?": "An injection of a harmless part of a germ teaches the immune "
    "system to know it.",
    "Wie entsteht ein Regenbogen?": "Drops of rain break white sunlight into its colours.",
    "Qui a inventé l'imprimerie ?": "Gutenberg cast movable letters of metal in Mainz around 1450.",
    "How can I return something that I bought?": "Send the goods back within thirty days with the "
    "receipt, and you get your money.",
    "My laptop does not start any more": "If the computer stays dark, hold the power button for "
    "ten seconds, then connect the charger.",
    "What must I do to share modified free software?": "Under a copyleft licence a changed program "
    "may be passed on only with its source, under the same terms.",
}


async def test_a_local_model_embeds_in_locked_children_and_finds_what_was_meant(tmp_path):
    async with a_lake(tmp_path) as lake:
        rows = [{"document": text, "n": n} for n, text in enumerate(FACTS.values())]
        # More than a call embeds at once, so that there is something to go on with.
        rows += [{"document": f"Line {n} of a list.", "n": -1} for n in range(30)]
        await keep_rows(lake, "facts", rows, ANN)
        operation = await lake.submit("build_vector_database", name="facts", dataset="facts")
        await lake.work()
        await checkpointed(lake, operation)
        assert kill_handlers(lake.foundation.folder.work)
        ended = await lake.ended(operation, 80)
        assert (ended.state, ended.attempt) == ("succeeded", 2), ended.failure
        assert json.loads(ended.result)["dimensions"] == 384
        vectors = VectorDatabases(
            lake.store,
            lake.foundation.objects,
            Sandbox(lake.foundation.launcher),
            never_asked,
            spool=lake.foundation.folder.spool,
        )
        [hit] = await vectors.search(ANN, "facts", "rainbow", limit=1, filters={"n": [7, 8]})
        assert hit.metadata == {"n": 7}
        [path] = lake.foundation.folder.objects.rglob("vector-databases/**/*.arrow")
        (tmp_path / CHUNKS_FILE).symlink_to(path)
        found = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        assert found["id"].to_pylist() == list(range(len(rows)))
        ranks = [rank(tmp_path, n, question) for n, question in enumerate(FACTS)]
        # Measured: 11 of 12 are first, one is second.
        assert max(ranks) <= 2, ranks
        assert ranks.count(0) >= 10, ranks


async def never_asked(*_):
    raise AssertionError


def rank(folder, number, question):
    call = SearchArguments(limit=10, texts=(question,), model="multilingual-e5-small")
    [hits] = search(msgspec.json.encode(call), folder)["hits"]
    numbers = [hit["metadata"]["n"] for hit in hits]
    return numbers.index(number) if number in numbers else len(numbers)


async def checkpointed(lake, operation):
    async with asyncio.timeout(80):
        while True:
            [found] = await lake.store.operations.get("default", [operation.id])
            if found.checkpoint and json.loads(found.checkpoint)["embedded"]:
                return
            await asyncio.sleep(0.05)
