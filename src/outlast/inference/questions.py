"""What is asked of a model, and the entry of the chat log that comes of it."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from outlast.engine.access import Principal
from outlast.inference.assembling import Assembly
from outlast.operations.errors import OutlastError
from outlast.resources.chat_log import ChatLog, Entry
from outlast.resources.chat_log.model import Status

CHAT: Final = "/chat/completions"
EMBEDDINGS: Final = "/embeddings"
_BYTES_PER_TOKEN: Final = 4


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a model: `fields` go to its server as they are, but for the model's name."""

    model: str
    path: str
    fields: Mapping[str, msgspec.Raw]

    @property
    def tokens(self) -> float:
        """About how many tokens it has."""
        return sum(len(value) for value in self.fields.values()) / _BYTES_PER_TOKEN

    def encode(self, model: str, **others: object) -> bytes:
        """The body for a server that knows the model as `model`."""
        return msgspec.json.encode({**self.fields, "model": model, **others})


class Chat(Question, frozen=True, kw_only=True):
    """A question in messages. `metadata` is the caller's own, for the chat log.

    `is_private` keeps it out of the log. `asks_usage`: a streamed answer shall end with its usage.
    """

    messages: msgspec.Raw
    parameters: Mapping[str, Any]
    metadata: Mapping[str, str] = {}
    stream_options: Mapping[str, Any] = {}
    is_streamed: bool = False
    is_private: bool = False

    @property
    def asks_usage(self) -> bool:
        """See above."""
        return self.stream_options.get("include_usage") is True


class Record:
    """The entry of one chat, written when its context ends: with the answer, or with an error."""

    def __init__(self, log: ChatLog | None, principal: Principal, chat: Chat) -> None:
        """`log` None: the chat is not logged."""
        self._log = log
        self._principal = principal
        self._chat = chat
        self._started_at = _now()
        self._assembly = Assembly()
        self.choices: list[Any] = []
        self.usage: dict[str, Any] | None = None

    @property
    def is_kept(self) -> bool:
        """Whether an entry will be written."""
        return self._log is not None

    def watch(self, assembly: Assembly) -> None:
        """Take the answer from what is being put together."""
        self._assembly = assembly

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if error is None:
            await self._end("succeeded")
        elif not isinstance(error, OutlastError):
            # Whoever asked went away.
            await self._end("incomplete")
        elif self._assembly.choices:
            await self._end("incomplete", error.message)
        else:
            await self._end("failed", error.message)

    async def _end(self, status: Status, error: str | None = None) -> None:
        if self._log is None:
            return
        chat = self._chat
        entry = Entry(
            id="",
            created_at=0,
            member=self._principal.member,
            model=chat.model,
            status=status,
            duration_ms=int((_now() - self._started_at) * 1000),
            is_streamed=chat.is_streamed,
            messages=msgspec.json.decode(chat.messages),
            parameters=dict(chat.parameters),
            metadata=dict(chat.metadata),
            choices=self.choices or self._assembly.choices,
            usage=self.usage or self._assembly.usage,
            error=error,
        )
        await self._log.record(self._principal.tenant, entry)


def _now() -> float:
    return asyncio.get_running_loop().time()
