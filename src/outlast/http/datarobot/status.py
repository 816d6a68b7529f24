"""The status polls: of generative AI, of the platform, and the list of what is under way."""

import contextlib
from collections.abc import Collection
from typing import Any, Final

import msgspec

from outlast.dialects.datarobot import DataRobot, encode
from outlast.dialects.datarobot.ids import read_id
from outlast.dialects.datarobot.lists import Listed
from outlast.dialects.datarobot.status import (
    StatusResponse,
    gone_on_wire,
    status_on_wire,
    uploaded_on_wire,
)
from outlast.dialects.datarobot.words import BARE, GENAI, PLATFORM, TARGETS
from outlast.engine.access import Verb
from outlast.http.datarobot.dataset_reading import DOCUMENTS
from outlast.http.datarobot.listing import WINDOW, gather, list_things, parse_window
from outlast.http.faces import to_answer
from outlast.http.parsing import read_empty
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Route
from outlast.operations.errors import IllegalTransition, NotFound
from outlast.operations.model import Operation
from outlast.operations.states import State
from outlast.resources.dismissals import Dismissals
from outlast.store.port import Query

_DIALECT: Final = DataRobot()
_JOB: Final = GENAI + "/status/{statusId}/"
_TASK: Final = PLATFORM + "/status/{statusId}/"
_BARE: Final = BARE + "/{statusId}/"
_PARAMS: Final = {"statusId": "The id of an operation, a UUID."}
_GOING_ON: Final = frozenset({State.PENDING, State.RUNNING})
_POLLED: Final[dict[int, Any]] = {200: StatusResponse, 303: StatusResponse}


class StatusRoutes:
    """The routes of statuses.

    An operation has two records here. The platform's can be deleted, which stops the operation and
    hides the record; the other one tells how it ended.
    """

    def __init__(self, parts: Parts) -> None:
        self._engine = parts.engine
        self._dismissals = Dismissals(parts.engine.store.catalog)
        self._files = parts.files
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._polls(), *self._records()]

    def _polls(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=path,
                handle=handle,
                says=says,
                verb=Verb.READ,
                answers=_POLLED,
                errors=("not_found",),
                params=_PARAMS,
            )
            for path, handle, says in (
                (_JOB, self._get, "Retrieve the execution status of a job"),
                (_BARE, self._get, "Retrieve the execution status of a job"),
                (_TASK, self._get_record, "Get the status of an async task"),
            )
        ]

    def _records(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=PLATFORM + "/status/",
                handle=self._list,
                says="List the async tasks that are currently running",
                verb=Verb.READ,
                query=WINDOW,
                answers={200: Listed[StatusResponse]},
            ),
            Route(
                method="DELETE",
                path=_TASK,
                handle=self._delete,
                says="Delete the status of an async task, and stop the task if it runs",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("not_found", "request_timeout", "store_full"),
                params=_PARAMS,
            ),
        ]

    async def _get(self, call: Call) -> Answer:
        operation = await self._find(call)
        return await self._gone(call) if operation is None else _polled(call, operation)

    async def _get_record(self, call: Call) -> Answer:
        operation = await self._find(call)
        if operation is None:
            return await self._uploaded(call) or await self._gone(call)
        await self._check_record(call, operation)
        return _polled(call, operation)

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
        hidden: Collection[str] = ()
        if found:
            hidden = await self._dismissals.find(call.principal, found[-1].id)
        shown = [one for one in found if one.id not in hidden]
        return Answer(body=encode(list_things(shown, window, status_on_wire)))

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._engine.limits.body_bytes, self._body_seconds)
        operation = await self._find(call)
        if operation is None:
            raise NotFound("there is no such task")
        await self._check_record(call, operation)
        call.principal.require_over(operation.created_by)
        # Stopped first: who is cut off between the two asks again.
        with contextlib.suppress(IllegalTransition):
            await self._engine.cancel(call.principal, operation.id, call.request_id)
        await self._dismissals.dismiss(call.principal, operation, request_id=call.request_id)
        return Answer(status=204)

    async def _find(self, call: Call) -> Operation | None:
        ref = read_id(call.params["statusId"], "statusId")
        try:
            operation = await self._engine.get(call.principal, ref)
        except NotFound:
            return None
        if operation.kind not in TARGETS:
            raise NotFound("there is no such job")
        return operation

    async def _gone(self, call: Call) -> Answer:
        ref = read_id(call.params["statusId"], "statusId")
        stone = await self._engine.find_tombstone(call.principal, ref)
        if stone.kind not in TARGETS:
            raise NotFound("there is no such job")
        return Answer(body=encode(gone_on_wire(stone.id, stone.alias)))

    async def _uploaded(self, call: Call) -> Answer | None:
        """Where a file of documents is, which was a dataset as soon as it was uploaded."""
        id = read_id(call.params["statusId"], "statusId")
        try:
            file = None if self._files is None else await self._files.get(call.principal, id)
        except NotFound:
            return None
        if file is None or file.purpose != DOCUMENTS:
            return None
        status = uploaded_on_wire(file.id, file.created_at)
        location = call.absolute(f"{PLATFORM}/datasets/{status.status_id}/").encode()
        return Answer(status=303, headers=[(b"location", location)], body=encode(status))

    async def _check_record(self, call: Call, operation: Operation) -> None:
        if await self._dismissals.is_dismissed(call.principal, operation):
            raise NotFound("the status of this task was deleted")


def _polled(call: Call, operation: Operation) -> Answer:
    """The answer to a poll, with an absolute URL where it leads on."""
    answer = to_answer(_DIALECT.render(operation))
    located = [
        (name, call.absolute(value.decode()).encode() if name == b"location" else value)
        for name, value in answer.headers
    ]
    return msgspec.structs.replace(answer, headers=located)
