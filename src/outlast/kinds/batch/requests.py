"""One row of a batch: from a line of its input to the request that a backend is asked. Pure."""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from outlast.kinds.batch.lines import LINE_BYTES_MAX

CHAT: Final = "/v1/chat/completions"
EMBEDDINGS: Final = "/v1/embeddings"
EndpointPath: TypeAlias = Literal["/v1/chat/completions", "/v1/embeddings"]

CUSTOM_ID_CHARS_MAX: Final = 512
_SHOWN: Final = 100


class ColumnMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which columns of a dataset make a request: exactly one of `messages`, `prompt` and `input`.

    `messages` holds an array of chat messages, as a list or as JSON text; `prompt` a user's message
    as text; `input` what shall be embedded. `custom_id` names the rows, else they are called
    row-1, row-2 ... `max_tokens` is the most that an answer may have.
    """

    messages: str | None = None
    prompt: str | None = None
    input: str | None = None
    custom_id: str | None = None
    max_tokens: int | None = None

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns that it names: field -> column."""
        fields = ("messages", "prompt", "input", "custom_id")
        return {name: column for name in fields if (column := getattr(self, name)) is not None}


class Row(msgspec.Struct, frozen=True):
    """A row that can be asked: `body` lacks what the batch sets for all rows."""

    custom_id: str
    body: dict[str, Any]


class BadRow(Exception):
    """The row cannot be asked; `reason` is what its author should know."""

    def __init__(self, reason: str, custom_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.custom_id = custom_id


class RowReader:
    """Reads the lines of a batch: of a file of requests, or of a dataset through its mapping.

    `model` is the one that the rows of a file must name; None: no model is known to this batch.
    """

    def __init__(
        self,
        path: EndpointPath,
        *,
        model: str | None,
        mapping: ColumnMapping | None = None,
        is_any_model: bool = False,
    ) -> None:
        self._path = path
        self._model = model
        self._mapping = mapping
        self._is_any_model = is_any_model
        self._check = _check_chat if path == CHAT else _check_embedding

    def read(self, line: bytes, number: int) -> Row:
        """The row on a line. Raises BadRow."""
        if len(line) > LINE_BYTES_MAX:
            raise BadRow(f"is longer than {LINE_BYTES_MAX} bytes")
        try:
            if self._mapping is None:
                return self._read_request(line)
            return self._read_columns(_COLUMNS.decode(line), number, self._mapping)
        except msgspec.ValidationError as error:
            raise BadRow(f"is not a request: {error}", _custom_id_of(line)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRow(f"is not valid JSON: {str(error)[:_SHOWN]}") from error

    def _read_request(self, line: bytes) -> Row:
        request = _REQUEST.decode(line)
        custom_id, body = request.custom_id, request.body
        if not 1 <= len(custom_id) <= CUSTOM_ID_CHARS_MAX:
            raise BadRow(f"custom_id must have 1 to {CUSTOM_ID_CHARS_MAX} characters")
        if request.url != self._path:
            shown = request.url[:_SHOWN]
            raise BadRow(f"url must be {self._path} as in the whole batch, not {shown}", custom_id)
        model = body.get("model")
        if not self._is_any_model and (self._model is None or model != self._model):
            raise BadRow(self._wrong_model(model), custom_id)
        self._check(body, custom_id)
        return Row(custom_id, body)

    def _wrong_model(self, model: object) -> str:
        if not isinstance(model, str):
            return "model must be a text"
        if self._model is None:
            return f'model "{model[:_SHOWN]}" is not a known batch endpoint routing key'
        return f'model "{model[:_SHOWN]}" is not the model of this batch, "{self._model}"'

    def _read_columns(self, row: dict[str, Any], number: int, mapping: ColumnMapping) -> Row:
        custom_id = f"row-{number}"
        if mapping.custom_id is not None:
            custom_id = _named(row.get(mapping.custom_id), mapping.custom_id)
        body: dict[str, Any] = {}
        if mapping.messages is not None:
            body["messages"] = _messages(row.get(mapping.messages), mapping.messages, custom_id)
        elif mapping.prompt is not None:
            content = _given(row.get(mapping.prompt), mapping.prompt, custom_id)
            body["messages"] = [{"role": "user", "content": content}]
        elif mapping.input is not None:
            body["input"] = _given(row.get(mapping.input), mapping.input, custom_id)
        if mapping.max_tokens is not None:
            body["max_tokens"] = mapping.max_tokens
        self._check(body, custom_id)
        return Row(custom_id, body)


class _FileRequest(msgspec.Struct):
    """A line of a batch file, as the batch API has it."""

    custom_id: str
    method: Literal["POST"]
    url: str
    body: dict[str, Any]


class _Named(msgspec.Struct):
    custom_id: str | None = None


_REQUEST: Final = msgspec.json.Decoder(_FileRequest)
_COLUMNS: Final[msgspec.json.Decoder[dict[str, Any]]] = msgspec.json.Decoder(dict[str, Any])
_ARRAY: Final[msgspec.json.Decoder[list[Any]]] = msgspec.json.Decoder(list[Any])


def _custom_id_of(line: bytes) -> str | None:
    try:
        found = msgspec.json.decode(line, type=_Named).custom_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if found is None else found[:CUSTOM_ID_CHARS_MAX]


def _named(value: object, column: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise BadRow(f'column "{column}" holds no custom_id')
    text = str(value)
    if len(text) > CUSTOM_ID_CHARS_MAX:
        raise BadRow(f'column "{column}": a custom_id has at most {CUSTOM_ID_CHARS_MAX} characters')
    return text


def _given(value: object, column: str, custom_id: str) -> object:
    if value is None or value in ("", []):
        raise BadRow(f'column "{column}" is empty', custom_id)
    return value


def _messages(value: object, column: str, custom_id: str) -> object:
    if not isinstance(value, str):
        return _given(value, column, custom_id)
    try:
        return _ARRAY.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f'column "{column}" is not a JSON array of messages: {str(error)[:_SHOWN]}'
        raise BadRow(reason, custom_id) from error


def _check_chat(body: dict[str, Any], custom_id: str) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRow("messages must be an array of at least one message", custom_id)
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRow(f"messages[{number}] must be an object with a role", custom_id)
    if body.get("stream"):
        raise BadRow("stream is not possible in a batch", custom_id)


def _check_embedding(body: dict[str, Any], custom_id: str) -> None:
    given = body.get("input")
    if not isinstance(given, str | list) or not given:
        raise BadRow("input must be a text or an array", custom_id)
