"""The lines of the output and error files: how they are written, and read again. Pure."""

from typing import Any, Final

import msgspec

from outlast.kinds.batch.calling import Reply

_NULL: Final = msgspec.Raw(b"null")


class Response(msgspec.Struct):
    """What a backend answered."""

    status_code: int
    request_id: str | None = None
    body: msgspec.Raw = _NULL


class RowError(msgspec.Struct):
    """Why a row has no good answer."""

    code: str
    message: str


class AnswerLine(msgspec.Struct):
    """A line of the output or the error file. Its `id` ends with the line of the request."""

    id: str
    custom_id: str | None
    response: Response | None
    error: RowError | None

    @property
    def number(self) -> int:
        """The line of the request."""
        return int(self.id.rpartition("_")[2])


class AnswerWriter:
    """Writes the lines of one batch."""

    def __init__(self, name: str) -> None:
        self._prefix = f"{name.replace('batch_', 'batch_req_', 1)}_"

    def write(self, number: int, custom_id: str, reply: Reply) -> bytes:
        """The line for a reply."""
        response = error = None
        if reply.status is not None:
            body = _NULL if reply.body is None else msgspec.Raw(reply.body)
            response = Response(reply.status, reply.request_id, body)
        if reply.message is not None:
            error = RowError("request_failed", reply.message)
        line = AnswerLine(f"{self._prefix}{number}", custom_id, response, error)
        return _encoder.encode(line)

    def write_refusal(self, number: int, custom_id: str | None, message: str) -> bytes:
        """The line for a row that is not asked."""
        error = RowError("invalid_request", message)
        return _encoder.encode(AnswerLine(f"{self._prefix}{number}", custom_id, None, error))


_encoder: Final = msgspec.json.Encoder()
read_answer_line: Final = msgspec.json.Decoder(AnswerLine).decode


class Message(msgspec.Struct):
    """What a model said."""

    content: Any = None


class Choice(msgspec.Struct):
    """One of the answers to a chat."""

    message: Message = msgspec.field(default_factory=Message)


class Embedded(msgspec.Struct):
    """One embedded text."""

    embedding: Any = None


class Counted(msgspec.Struct):
    """Tokens that were counted."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class AnswerBody(msgspec.Struct):
    """What of an answer's body becomes columns."""

    choices: list[Choice] = []
    data: list[Embedded] = []
    usage: Counted | None = None


def read_body(body: bytes) -> AnswerBody:
    """What an answer's body holds; what has another form than it should is left out."""
    try:
        return _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return AnswerBody()


_BODY: Final = msgspec.json.Decoder(AnswerBody)
