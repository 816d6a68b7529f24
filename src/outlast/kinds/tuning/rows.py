"""The rows of training data: JSON lines, each checked before any training starts.

A row is a conversation, `{"messages": [...]}`, with `tools` if it uses any; an instruction,
`{"prompt": ..., "completion": ...}`; or `{"text": ...}`. In a dataset a column holds the messages,
as text or as they are.
"""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from outlast.kinds.tuning.plan import RowFiles
from outlast.operations.errors import Fatal
from outlast.operations.kind import Context

TRAINING: Final = "training"
VALIDATION: Final = "validation"
LINE_BYTES_MAX: Final = 4 * 1024 * 1024
PROBLEMS_SHOWN: Final = 20
_LOOK_ROWS: Final = 500
_CHUNK_BYTES: Final = 1024 * 1024

Text = Annotated[str, msgspec.Meta(min_length=1)]


class TuningMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None

    def plain(self) -> dict[str, Any]:
        """The message as chat templates know it."""
        message = msgspec.to_builtins(self)
        return {key: value for key, value in message.items() if value is not None}


Messages = Annotated[list[TuningMessage], msgspec.Meta(min_length=1)]


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """Messages, the last of which is what the model shall say."""

    messages: Messages
    tools: list[dict[str, Any]] | None = None


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt, and what the model shall go on with."""

    prompt: Text
    completion: Text


class PlainText(msgspec.Struct, frozen=True, kw_only=True):
    """A text to learn as it stands."""

    text: Text


Row: TypeAlias = Conversation | Instruction | PlainText


class RowProblem(Exception):
    """What is wrong with one row."""


class RowCheck:
    """Counts rows and remembers what is wrong with the first that do not fit."""

    def __init__(self, name: str) -> None:
        self.rows = 0
        self._name = name
        self._invalid = 0
        self._lines: list[str] = []

    def note(self, problem: RowProblem) -> None:
        """The row that was counted last is invalid."""
        self._invalid += 1
        if len(self._lines) < PROBLEMS_SHOWN:
            self._lines.append(f"{self._name} row {self.rows}: {problem}")

    def close(self) -> None:
        """Raise Fatal if there was no row, or any that does not fit."""
        if self.rows == 0:
            raise Fatal("invalid_rows", f"there are no {self._name} rows")
        if self._invalid:
            raise Fatal(
                "invalid_rows",
                f"{self._invalid} of {self.rows} {self._name} rows are invalid",
                details={"invalid": self._invalid, "rows": self.rows, "lines": self._lines},
            )


def check_rows(source: RowFiles, name: str, context: Context) -> None:
    """Read all rows of a source. Raises Fatal, naming the first that do not fit."""
    check = RowCheck(name)
    for _ in read_rows(source, context, check):
        pass
    check.close()


def read_rows(source: RowFiles, context: Context, check: RowCheck) -> Iterator[Row]:
    """The rows of a source; those that do not fit are noted. Raises CancelledError."""
    # The files are one text: parts of a file may be cut anywhere.
    for line in _lines(context.workdir / file for file in source.files):
        if line.isspace() or not line:
            continue
        check.rows += 1
        if check.rows % _LOOK_ROWS == 0 and context.cancelled:
            raise asyncio.CancelledError
        try:
            yield read_row(line, source.column)
        except RowProblem as problem:
            check.note(problem)


def read_row(line: bytes, column: str | None) -> Row:
    """One row; a column names where a dataset has the messages. Raises RowProblem."""
    if len(line) > LINE_BYTES_MAX:
        raise RowProblem(f"is longer than {LINE_BYTES_MAX} bytes")
    try:
        row = _decode(line) if column is None else _from_column(line, column)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RowProblem(str(error)) from error
    if isinstance(row, Conversation):
        _check(row)
    return row


def _decode(line: bytes) -> Row:
    document = msgspec.json.decode(line)
    if not isinstance(document, dict):
        raise RowProblem("is not a JSON object")
    types: tuple[type[Row], ...] = (Conversation, Instruction, PlainText)
    for type_, key in zip(types, ("messages", "prompt", "text"), strict=True):
        if key in document:
            return msgspec.convert(document, type_)
    raise RowProblem("has neither `messages`, nor `prompt` and `completion`, nor `text`")


def _from_column(line: bytes, column: str) -> Conversation:
    document = msgspec.json.decode(line)
    if not isinstance(document, dict) or document.get(column) is None:
        raise RowProblem(f"has nothing in column {column!r}")
    value = document[column]
    messages = msgspec.json.decode(value) if isinstance(value, str) else value
    try:
        return Conversation(messages=msgspec.convert(_without_nulls(messages), Messages))
    except msgspec.ValidationError as error:
        raise RowProblem(f"column {column!r}: {error}") from error


def _without_nulls(messages: Any) -> Any:
    """A table fills in what some messages have and others have not."""
    if not isinstance(messages, list):
        return messages
    return [
        {key: value for key, value in message.items() if value is not None}
        if isinstance(message, dict)
        else message
        for message in messages
    ]


def _check(row: Conversation) -> None:
    for number, message in enumerate(row.messages):
        if message.content is None and not message.tool_calls:
            raise RowProblem(f"message {number} has neither content nor tool calls")
    if row.messages[-1].role != "assistant":
        raise RowProblem(f"the last message is of the {row.messages[-1].role}, not the assistant")


def _lines(files: Iterable[Path]) -> Iterator[bytes]:
    waiting = b""
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                *lines, waiting = (waiting + chunk).split(b"\n")
                yield from lines
                if len(waiting) > 2 * LINE_BYTES_MAX:
                    raise Fatal("invalid_rows", f"a row is longer than {LINE_BYTES_MAX} bytes")
    yield waiting
