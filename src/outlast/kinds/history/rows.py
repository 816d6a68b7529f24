"""Turns segments of the chat log into the rows of a version."""

import outlast.resources.datasets.frugal  # noqa: F401  # isort: skip  it must come first

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pyarrow as pa

from outlast.kinds.materialize_history import HistoryPlan
from outlast.operations.errors import Fatal, TooLarge
from outlast.operations.kind import Context
from outlast.resources.chat_log.model import Entry
from outlast.resources.datasets.calls import WriteLimits
from outlast.resources.datasets.model import Manifest
from outlast.resources.datasets.parts import PartWriter
from outlast.resources.datasets.tables import JSON, use_one_thread

LIMITS: Final = WriteLimits(rows=500_000_000, bytes=64 * 1024**3)

_FIELDS: Final[list[tuple[str, pa.DataType]]] = [
    ("id", pa.string()),
    ("created_at", pa.timestamp("us", "UTC")),
    ("member", pa.string()),
    ("model", pa.string()),
    ("status", pa.string()),
    ("messages", JSON),
    ("prompt", JSON),
    ("completion", pa.string()),
    ("finish_reason", pa.string()),
    ("parameters", JSON),
    ("metadata", JSON),
    ("prompt_tokens", pa.int64()),
    ("completion_tokens", pa.int64()),
    ("total_tokens", pa.int64()),
    ("duration_ms", pa.int64()),
    ("error", pa.string()),
]
SCHEMA: Final = pa.schema(_FIELDS)
"""`messages` is the dialogue with the answer, `prompt` without it, both JSON; `completion` is
the answer's text. So `messages` is a row to tune a model on, and `prompt` one to ask again."""

_BATCH_ROWS: Final = 1024
_BATCH_BYTES: Final = 8 * 1024 * 1024
_INT64_MAX: Final = 2**63 - 1


class HistoryRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows as files of the workdir, their manifest, and how many had no content."""

    manifest: Manifest
    files: tuple[str, ...]
    omitted: int


def write_rows(plan: HistoryPlan, context: Context, limits: WriteLimits = LIMITS) -> HistoryRows:
    """Write what the plan asks for to the workdir. Raises Fatal, and CancelledError."""
    use_one_thread()
    try:
        return _Writing(plan, context, limits).run()
    except TooLarge as error:
        raise Fatal("result_too_large", error.message) from error


class _Writing:
    """The rows of one attempt on their way."""

    def __init__(self, plan: HistoryPlan, context: Context, limits: WriteLimits) -> None:
        self._plan = plan
        self._context = context
        self._writer = PartWriter(context.workdir, SCHEMA, limits)
        self._rows: list[dict[str, Any]] = []
        self._size = 0
        self._read = 0
        self._taken = 0
        self._omitted = 0

    def run(self) -> HistoryRows:
        self._context.report(0, self._plan.bytes, unit="bytes", stage="reading")
        for entry, size in self._entries():
            if entry.is_omitted:
                self._omitted += 1
                continue
            self._rows.append(_row(entry))
            self._size += size
            self._taken += 1
            if len(self._rows) >= _BATCH_ROWS or self._size >= _BATCH_BYTES:
                self._flush()
            if self._taken == self._plan.limit:
                break
        self._flush()
        manifest, files = self._writer.close()
        return HistoryRows(manifest=manifest, files=files, omitted=self._omitted)

    def _entries(self) -> Iterator[tuple[Entry, int]]:
        """The entries that the plan asks for, and the size of each."""
        for name in self._plan.files:
            with (self._context.workdir / name).open("rb") as file:
                for line in file:
                    self._read += len(line)
                    entry = _decoder.decode(line)
                    if _is_wanted(entry, self._plan):
                        yield entry, len(line)
            self._look_up()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write(pa.RecordBatch.from_pylist(self._rows, SCHEMA))
            self._rows, self._size = [], 0
        self._look_up()

    def _look_up(self) -> None:
        self._context.report(min(self._read, self._plan.bytes))
        if self._context.cancelled:
            raise asyncio.CancelledError


def _is_wanted(entry: Entry, plan: HistoryPlan) -> bool:
    return (
        entry.created_at >= plan.created_after
        and (plan.created_before is None or entry.created_at < plan.created_before)
        and (plan.model is None or entry.model == plan.model)
        and (plan.member is None or entry.member == plan.member)
        and entry.status in plan.status
        and plan.metadata.items() <= entry.metadata.items()
    )


def _row(entry: Entry) -> dict[str, Any]:
    choice = entry.choices[0] if entry.choices and isinstance(entry.choices[0], dict) else {}
    message = choice.get("message")
    answer = message if isinstance(message, dict) else None
    dialogue = entry.messages if answer is None else [*entry.messages, answer]
    usage = entry.usage or {}
    return {
        "id": entry.id,
        "created_at": entry.created_at,
        "member": entry.member,
        "model": entry.model,
        "status": entry.status,
        "messages": _json(dialogue),
        "prompt": _json(entry.messages),
        "completion": _text(None if answer is None else answer.get("content")),
        "finish_reason": _text(choice.get("finish_reason")),
        "parameters": _json(entry.parameters),
        "metadata": _json(entry.metadata),
        "prompt_tokens": _count(usage.get("prompt_tokens")),
        "completion_tokens": _count(usage.get("completion_tokens")),
        "total_tokens": _count(usage.get("total_tokens")),
        "duration_ms": entry.duration_ms,
        "error": entry.error,
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _text(value: object) -> str | None:
    """A text as it is; content in parts, or another server's idea of an answer, as JSON."""
    return value if value is None or isinstance(value, str) else _json(value)


def _count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _INT64_MAX
    return value if is_count else None  # type: ignore[return-value]  # narrowed above


_decoder: Final = msgspec.json.Decoder(Entry)
