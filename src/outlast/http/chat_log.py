"""Whether the tenant's chats are logged."""

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.http.parsing import read_json
from outlast.http.parts import Parts
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Route
from outlast.resources.chat_log import ChatLog, TenantSetting


class ChatLogBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the tenant decides."""

    is_enabled: bool


class ChatLogView(msgspec.Struct, frozen=True, kw_only=True):
    """What the tenant has decided, and whether its chats are logged: the server has a say too."""

    is_enabled: bool
    is_logged: bool


class ChatLogRoutes:
    """The routes of /v1/chat-log."""

    def __init__(self, parts: Parts, log: ChatLog) -> None:
        self._log = log
        self._body_bytes_max = parts.limits.body_bytes
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [
            Route(
                method="GET",
                path="/v1/chat-log",
                handle=self._get,
                says="Whether the tenant's chats are logged",
                verb=Verb.READ,
                answers={200: ChatLogView},
            ),
            Route(
                method="PUT",
                path="/v1/chat-log",
                handle=self._put,
                says="Decide whether the tenant's chats are logged, from the next one on",
                verb=Verb.ADMINISTER,
                body=ChatLogBody,
                answers={200: ChatLogView},
                errors=("request_timeout", "store_full", "unsupported_media_type"),
            ),
        ]

    async def _get(self, call: Call) -> Answer:
        return await self._tell(call.principal)

    async def _put(self, call: Call) -> Answer:
        body = await read_json(call, ChatLogBody, self._body_bytes_max, self._body_seconds)
        setting = TenantSetting(is_enabled=body.is_enabled)
        await self._log.settings.set(call.principal, setting)
        return await self._tell(call.principal)

    async def _tell(self, principal: Principal) -> Answer:
        setting = await self._log.settings.get(principal)
        is_logged = await self._log.is_enabled(principal)
        return Answer(body=encode(ChatLogView(is_enabled=setting.is_enabled, is_logged=is_logged)))
