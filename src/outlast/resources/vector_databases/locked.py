"""All that is asked of a locked child about vectors: chunks and texts are somebody else's."""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

import array
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa

from outlast.resources.datasets.tables import use_one_thread
from outlast.resources.vector_databases import calls
from outlast.resources.vector_databases.calls import EmbedArguments, SearchArguments
from outlast.resources.vector_databases.local_models import embed_texts
from outlast.resources.vector_databases.model import CHUNKS_FILE, Scalar

_COLUMNS: Final = {"document": "document", "page": "page::VARCHAR"}
_MEMORY_LIMIT: Final = "512MiB"


def search(arguments: bytes, workdir: Path) -> dict[str, Any]:
    """The chunks nearest to a vector or a text, nearest first: {"hits"}, or {"error"}."""
    call = msgspec.json.decode(arguments, type=SearchArguments)
    use_one_thread()
    vector = call.vector
    if vector is None:
        [packed] = embed_texts(call.model or "", [call.text or ""], is_query=True)
        vector = tuple(array.array("f", packed))
    # Mapped, not read: only what a search touches comes from the disk.
    chunks = pa.ipc.open_file(pa.memory_map(str(workdir / CHUNKS_FILE))).read_all()
    dimensions = chunks.schema.field("vector").type.list_size
    if dimensions != len(vector):
        said = f"the model gave {len(vector)} dimensions; the vectors have {dimensions}"
        return {"error": said}
    return {"hits": _nearest(chunks, call, vector)}


def _nearest(
    chunks: pa.Table, call: SearchArguments, vector: tuple[float, ...]
) -> list[dict[str, Any]]:
    """Every chunk is looked at: what is found is what is nearest."""
    conditions, values = ["score >= ?"], [-2.0 if call.score_min is None else call.score_min]
    for name, wanted in call.filters.items():
        condition, texts = _condition(name, wanted)
        conditions.append(condition)
        values += texts
    settings: dict[str, Any] = {
        "threads": 1,
        "memory_limit": _MEMORY_LIMIT,
        "enable_external_access": False,
        "lock_configuration": True,
    }
    query = f"""
        SELECT id, document, page, text, metadata, score
        FROM (
            SELECT *, array_cosine_similarity(vector, ?::FLOAT[{len(vector)}]) AS score FROM chunks
        )
        WHERE {" AND ".join(conditions)}
        ORDER BY score DESC, id
        LIMIT ?
    """  # noqa: S608  what is put in is a number and conditions of ours
    with closing(duckdb.connect(config=settings)) as connection:
        connection.register("chunks", chunks)
        rows = connection.execute(query, [list(vector), *values, call.limit]).fetchall()
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


def _condition(name: str, wanted: Scalar | list[Scalar]) -> tuple[str, list[Any]]:
    values = wanted if isinstance(wanted, list) else [wanted]
    texts = [_text(value) for value in values]
    marks = ", ".join("?" for _ in texts)
    if name in _COLUMNS:
        return f"{_COLUMNS[name]} IN ({marks})", texts
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    return f"json_extract_string(metadata, ?) IN ({marks})", [pointer, *texts]


def _text(value: Scalar) -> str:
    """A value as DuckDB writes it that was in JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def embed(arguments: bytes, workdir: Path) -> dict[str, Any]:
    """Write the vectors of TEXTS to VECTORS; answers {"dimensions"}."""
    call = msgspec.json.decode(arguments, type=EmbedArguments)
    texts = msgspec.json.decode((workdir / calls.TEXTS).read_bytes(), type=list[str])
    vectors = embed_texts(call.model, texts)
    (workdir / calls.VECTORS).write_bytes(b"".join(vectors))
    return {"dimensions": len(vectors[0]) // 4 if vectors else 0}
