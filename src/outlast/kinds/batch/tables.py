"""The answers of a batch as the rows of a dataset's version."""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pyarrow as pa

from outlast.kinds.batch.answers import (
    AnswerBody,
    AnswerLine,
    Counted,
    read_answer_line,
    read_body,
)
from outlast.kinds.batch.plan import BatchPlan
from outlast.kinds.batch.record import PURPOSES, chunk_names
from outlast.kinds.batch.requests import CHAT, BadRow
from outlast.kinds.batch.running import Finished, request_body
from outlast.operations.errors import Fatal
from outlast.operations.kind import Context
from outlast.resources.datasets.calls import WriteLimits
from outlast.resources.datasets.model import Manifest
from outlast.resources.datasets.parts import PartWriter
from outlast.resources.datasets.tables import use_one_thread

LIMITS: Final = WriteLimits(rows=5_000_000, bytes=64 * 1024**3)
_BATCH_ROWS: Final = 500
_BATCH_BYTES: Final = 8 * 1024 * 1024

_BOTH: Final = [("custom_id", pa.string()), ("status", pa.string()), ("error", pa.string())]
_CHAT_COLUMNS: Final = [
    ("prompt", pa.string()),
    ("completion", pa.string()),
    ("dialogue", pa.string()),
]
_EMBEDDING_COLUMNS: Final = [("input", pa.string()), ("embedding", pa.list_(pa.float64()))]
_RAW: Final = [
    ("request", pa.string()),
    ("response", pa.string()),
    ("parameters", pa.string()),
    ("prompt_tokens", pa.int64()),
    ("completion_tokens", pa.int64()),
    ("total_tokens", pa.int64()),
]
_ENCODER: Final = msgspec.json.Encoder()


class Table(msgspec.Struct, frozen=True):
    """A version in the making: files of the workdir, and what they hold."""

    manifest: Manifest
    files: tuple[str, ...]


def write_table(plan: BatchPlan, finished: Finished, context: Context) -> Table:
    """Write every answer and every error of a batch, in the order in which they came."""
    use_one_thread()
    own = _CHAT_COLUMNS if plan.endpoint == CHAT else _EMBEDDING_COLUMNS
    schema = pa.schema([pa.field(name, type) for name, type in (*_BOTH, *own, *_RAW)])
    writer = PartWriter(context.workdir, schema, LIMITS, stem="answers")
    waiting: list[dict[str, Any]] = []
    waiting_bytes = 0
    for size, row in _rows(plan, finished, context):
        waiting.append(row)
        waiting_bytes += size
        if len(waiting) >= _BATCH_ROWS or waiting_bytes >= _BATCH_BYTES:
            writer.write(pa.RecordBatch.from_pylist(waiting, schema=schema))
            waiting, waiting_bytes = [], 0
            context.report(stage="finalizing", message=f"{writer.rows} rows written")
    if waiting:
        writer.write(pa.RecordBatch.from_pylist(waiting, schema=schema))
    manifest, files = writer.close()
    return Table(manifest, files)


def _rows(
    plan: BatchPlan, finished: Finished, context: Context
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(about how many bytes, a row) for every finished row."""
    if finished.offsets is None:
        raise ValueError("a batch that becomes a table needs the offsets of its lines")
    with finished.lines.open() as requests:
        for line in _lines(finished, context):
            answer = read_answer_line(line)
            requests.seek(finished.offsets.find(answer.number))
            request = requests.readline().strip()
            try:
                row = finished.reader.read(request, answer.number)
                body = request_body(plan, row)
            except BadRow:
                body = None
            yield len(line) + len(request), _row(plan, answer, body)


def _lines(finished: Finished, context: Context) -> Iterator[bytes]:
    for stream in PURPOSES:
        for name in chunk_names(finished.checkpoint, stream):
            path = context.workdir / "chunk.jsonl"
            if not context.files.get(name, path):
                raise Fatal("files_lost", f"the operation's file {name!r} is gone")
            with path.open("rb") as file:
                yield from file
            path.unlink()


def _row(plan: BatchPlan, answer: AnswerLine, body: dict[str, Any] | None) -> dict[str, Any]:
    raw = b"" if answer.response is None else bytes(answer.response.body)
    read = read_body(raw) if answer.error is None else AnswerBody()
    usage = read.usage or Counted()
    own = _chat(read, body) if plan.endpoint == CHAT else _embedding(read, body)
    return {
        "custom_id": answer.custom_id,
        "status": _status(answer),
        "error": None if answer.error is None else answer.error.message,
        **own,
        "request": None if body is None else _text(body),
        "response": raw.decode() or None,
        "parameters": None if body is None else _text(_parameters(body)),
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def _status(answer: AnswerLine) -> str:
    if answer.error is None:
        return "completed"
    return "invalid" if answer.error.code == "invalid_request" else "failed"


def _chat(read: AnswerBody, body: dict[str, Any] | None) -> dict[str, Any]:
    messages = [] if body is None else body.get("messages", [])
    said = read.choices[0].message.content if read.choices else None
    prompt = messages[-1].get("content") if messages else None
    dialogue = [*messages, {"role": "assistant", "content": said}] if read.choices else None
    return {
        "prompt": _plain(prompt),
        "completion": _plain(said),
        "dialogue": None if dialogue is None else _text(dialogue),
    }


def _embedding(read: AnswerBody, body: dict[str, Any] | None) -> dict[str, Any]:
    only = read.data[0].embedding if len(read.data) == 1 else None
    return {
        "input": _plain(None if body is None else body.get("input")),
        "embedding": only if isinstance(only, list) else None,
    }


def _parameters(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in {"messages", "input"}}


def _plain(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else _text(value)


def _text(value: object) -> str:
    return _ENCODER.encode(value).decode()
