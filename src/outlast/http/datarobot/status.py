"""The status polls: of generative AI, of the platform, and the list of what is under way."""

from typing import Any, Final

import msgspec

from outlast.dialects.datarobot import DataRobot, encode
from outlast.dialects.datarobot.ids import read_id
from outlast.dialects.datarobot.lists import Listed
from outlast.dialects.datarobot.status import StatusResponse, status_on_wire
from outlast.dialects.datarobot.words import GENAI, PLATFORM, TARGETS
from outlast.engine.access import Verb
from outlast.http.datarobot.listing import WINDOW, gather, list_things, parse_window
from outlast.http.faces import to_answer
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Route
from outlast.operations.errors import NotFound
from outlast.operations.model import Operation
from outlast.operations.states import State
from outlast.store.port import Query

_DIALECT: Final = DataRobot()
_STATUS_ID: Final = {"statusId": "The id of an operation, a UUID."}
_GOING_ON: Final = frozenset({State.PENDING, State.RUNNING})
_POLLED: Final[dict[int, Any]] = {200: StatusResponse, 303: StatusResponse}


class StatusRoutes:
    """The routes of statuses."""

    def __init__(self, parts: Parts) -> None:
        self._engine = parts.engine

    def routes(self) -> list[Route]:
        """The routes, documented."""
        polls = [
            Route(
                method="GET",
                path=path,
                handle=self._get,
                says=says,
                verb=Verb.READ,
                answers=_POLLED,
                errors=("not_found",),
                params=_STATUS_ID,
            )
            for path, says in (
                (GENAI + "/status/{statusId}/", "Retrieve the execution status of a job"),
                (PLATFORM + "/status/{statusId}/", "Get the status of an async task"),
                # Where one of the client's own waiters looks, which leaves out the base path.
                ("/status/{statusId}/", "Get the status of an async task"),
            )
        ]
        return [
            *polls,
            Route(
                method="GET",
                path=PLATFORM + "/status/",
                handle=self._list,
                says="List the async tasks that are currently running",
                verb=Verb.READ,
                query=WINDOW,
                answers={200: Listed[StatusResponse]},
            ),
        ]

    async def _get(self, call: Call) -> Answer:
        operation = await self._find(call)
        answer = to_answer(_DIALECT.render(operation))
        located = [
            (name, call.absolute(value.decode()).encode() if name == b"location" else value)
            for name, value in answer.headers
        ]
        return msgspec.structs.replace(answer, headers=located)

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        at_once = self._engine.limits.page_size

        async def find(before_id: str | None) -> list[Operation]:
            query = Query(
                tenant=call.principal.tenant,
                states=_GOING_ON,
                kinds=frozenset(TARGETS),
                before_id=before_id,
                limit=at_once,
            )
            return list((await self._engine.find(call.principal, query)).operations)

        found = await gather(find, at_once=at_once)
        return Answer(body=encode(list_things(found, window, status_on_wire)))

    async def _find(self, call: Call) -> Operation:
        ref = read_id(call.params["statusId"], "statusId")
        operation = await self._engine.get(call.principal, ref)
        if operation.kind not in TARGETS:
            raise NotFound("there is no such job")
        return operation
