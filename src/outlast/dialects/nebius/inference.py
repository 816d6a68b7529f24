"""Chats, embeddings and models on the wire: OpenAI's shapes, which this dialect shares.

Bodies are read for what this server needs; every other field is passed on to the model's server.
`store` (false: keep this chat out of the log) and `metadata` (kept in the log) are for this server.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from outlast.operations.errors import Invalid

PRIVATE_HEADER: Final = "Outlast-Chat-Log"
PRIVATE_WORD: Final = "off"
METADATA_MAX: Final = 16
METADATA_KEY_CHARS_MAX: Final = 64
METADATA_CHARS_MAX: Final = 512

_NOT_PASSED_ON: Final = frozenset({"store", "metadata"})
_NO_PARAMETERS: Final = _NOT_PASSED_ON | {"model", "messages", "stream", "stream_options"}

ModelName = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
MetadataKey = Annotated[str, msgspec.Meta(max_length=METADATA_KEY_CHARS_MAX)]
MetadataValue = Annotated[str, msgspec.Meta(max_length=METADATA_CHARS_MAX)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], msgspec.Meta(max_length=METADATA_MAX)]


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A chat completion to make; fields beside these go to the model's server as they are."""

    model: ModelName
    messages: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    store: bool | None = None
    metadata: Metadata | None = None


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Texts to embed; fields beside these go to the model's server as they are."""

    model: ModelName
    input: str | Annotated[list[Any], msgspec.Meta(min_length=1)]


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, as the model's server gave it."""

    choices: list[Any]
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None


class EmbeddingList(msgspec.Struct, frozen=True, kw_only=True):
    """Embeddings, as the model's server gave them."""

    data: list[Any]
    object: str | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model that can be asked."""

    id: str
    created: int
    owned_by: str
    object: Literal["model"] = "model"


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """Every model that can be asked."""

    data: Sequence[Model]
    object: Literal["list"] = "list"


class _StreamError(msgspec.Struct, frozen=True, kw_only=True):
    message: str
    code: str
    type: str = "server_error"
    param: None = None


class _ErrorEvent(msgspec.Struct, frozen=True, kw_only=True):
    error: _StreamError


def passed_on(fields: Mapping[str, msgspec.Raw]) -> Mapping[str, msgspec.Raw]:
    """The fields of a body that go to the model's server."""
    return {name: value for name, value in fields.items() if name not in _NOT_PASSED_ON}


def parameters_of(fields: Mapping[str, msgspec.Raw]) -> Mapping[str, Any]:
    """The fields of a chat that the log keeps beside its messages. Raises Invalid."""
    parameters: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in _NO_PARAMETERS:
            try:
                parameters[name] = msgspec.json.decode(value)
            except msgspec.DecodeError as error:
                raise Invalid(f"{name}: {error}", field_errors={name: str(error)}) from error
    return parameters


def error_event(message: str, code: str) -> bytes:
    """The event that ends a stream which has broken off: clients raise it as an error."""
    error = _ErrorEvent(error=_StreamError(message=message, code=code))
    return b"data: " + msgspec.json.encode(error) + b"\n\n"
