"""All that is asked of a locked child about vectors: chunks and texts are somebody else's."""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

import array
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa

from outlast.resources.datasets.tables import use_one_thread
from outlast.resources.vector_databases import calls
from outlast.resources.vector_databases.calls import EmbedArguments, SearchArguments
from outlast.resources.vector_databases.conditions import Asked, condition_of
from outlast.resources.vector_databases.local_models import embed_texts
from outlast.resources.vector_databases.model import CHUNKS_FILE

_MEMORY_LIMIT: Final = "512MiB"
_CANDIDATES_PER_HIT: Final = 4
_COLUMNS: Final = "id, document, page, text, metadata, score"


def search(arguments: bytes, workdir: Path) -> dict[str, Any]:
    """The chunks nearest to each vector or text, nearest first: {"hits"}, or {"error"}."""
    call = msgspec.json.decode(arguments, type=SearchArguments)
    use_one_thread()
    vectors = call.vectors
    if call.texts:
        embedded = embed_texts(call.model or "", call.texts, is_query=True)
        vectors = tuple(tuple(array.array("f", packed)) for packed in embedded)
    # Mapped, not read: only what a search touches comes from the disk.
    chunks = pa.ipc.open_file(pa.memory_map(str(workdir / CHUNKS_FILE))).read_all()
    dimensions = chunks.schema.field("vector").type.list_size
    given = {len(vector) for vector in vectors}
    if given - {dimensions}:
        said = f"the model gave {max(given)} dimensions; the vectors have {dimensions}"
        return {"error": said}
    settings: dict[str, Any] = {
        "threads": 1,
        "memory_limit": _MEMORY_LIMIT,
        "enable_external_access": False,
        "lock_configuration": True,
    }
    with closing(duckdb.connect(config=settings)) as connection:
        connection.register("chunks", chunks)
        return {"hits": [_nearest(connection, call, vector) for vector in vectors]}


def _nearest(
    connection: duckdb.DuckDBPyConnection, call: SearchArguments, vector: Sequence[float]
) -> list[dict[str, Any]]:
    """Every chunk is looked at: what is found is what is nearest."""
    asked = Asked()
    condition = condition_of(call.where, asked)
    if call.score_min is not None:
        condition += f" AND score >= {asked.name(call.score_min)}"
    # A parameter of so many numbers would cost hundreds of megabytes: see `conditions`.
    columns: dict[str, pa.Array[Any]] = {
        name: pa.array([value], pa.string() if isinstance(value, str) else pa.float64())
        for name, value in asked.values.items()
    }
    floats = pa.array(vector, pa.float32())
    columns["vector"] = pa.FixedSizeListArray.from_arrays(floats, len(vector))
    connection.register("asked", pa.table(columns))
    is_diverse = call.relevance < 1
    limit = call.limit * (_CANDIDATES_PER_HIT if is_diverse else 1)
    rows = _rows(connection, f"WHERE {condition} ORDER BY score DESC, id LIMIT {limit}")
    if is_diverse:
        rows = _diverse(connection, rows, call.relevance, call.limit)
    if call.with_neighbours:
        rows = _with_neighbours(connection, rows)
    return [
        {
            "chunk": id,
            "document": document,
            "page": page,
            "text": text,
            "score": score,
            "metadata": msgspec.json.decode(metadata),
        }
        for id, document, page, text, metadata, score in rows
    ]


def _rows(connection: duckdb.DuckDBPyConnection, rest: str) -> list[tuple[Any, ...]]:
    """Chunks with their scores, of which `rest` says which and in what order."""
    return connection.execute(
        f"""
        SELECT {_COLUMNS}
        FROM (
            SELECT chunks.*, array_cosine_similarity(chunks.vector, asked.vector) AS score
            FROM chunks, asked
        ), asked
        {rest}
        """  # noqa: S608  what is put in is made of names and numbers of ours
    ).fetchall()


def _diverse(
    connection: duckdb.DuckDBPyConnection,
    candidates: list[tuple[Any, ...]],
    relevance: float,
    limit: int,
) -> list[tuple[Any, ...]]:
    """Of the candidates, one after the other what is near, and unlike what was taken before."""
    ids = _listed(row[0] for row in candidates)
    pairs = connection.execute(
        f"""SELECT a.id, b.id, array_cosine_similarity(a.vector, b.vector)
            FROM chunks a, chunks b WHERE a.id IN {ids} AND b.id IN {ids}"""  # noqa: S608  numbers
    ).fetchall()
    alike = {(one, other): score for one, other, score in pairs}
    left, taken = list(candidates), list[tuple[Any, ...]]()
    while left and len(taken) < limit:
        best = max(
            left,
            key=lambda row: (
                relevance * row[-1]
                - (1 - relevance) * max((alike[row[0], one[0]] for one in taken), default=0.0)
            ),
        )
        left.remove(best)
        taken.append(best)
    return taken


def _with_neighbours(
    connection: duckdb.DuckDBPyConnection, rows: list[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """The rows, each followed by its neighbours that are not there yet."""
    ids = {row[0] + step for row in rows for step in (-1, 1)} - {row[0] for row in rows}
    beside = _rows(connection, f"WHERE id IN {_listed(ids)}")
    found = {row[0]: row for row in beside}
    shown: list[tuple[Any, ...]] = []
    for row in rows:
        near = [found.get(row[0] + step) for step in (-1, 1)]
        own = [one for one in near if one is not None and one[1] == row[1] and one not in shown]
        shown += [row, *own]
    return shown


def _listed(ids: Iterable[int]) -> str:
    """The ids as a list of SQL, which may be empty."""
    return f"({', '.join(str(int(id)) for id in ids) or 'NULL'})"


def embed(arguments: bytes, workdir: Path) -> dict[str, Any]:
    """Write the vectors of TEXTS to VECTORS; answers {"dimensions"}."""
    call = msgspec.json.decode(arguments, type=EmbedArguments)
    texts = msgspec.json.decode((workdir / calls.TEXTS).read_bytes(), type=list[str])
    vectors = embed_texts(call.model, texts)
    (workdir / calls.VECTORS).write_bytes(b"".join(vectors))
    return {"dimensions": len(vectors[0]) // 4 if vectors else 0}
