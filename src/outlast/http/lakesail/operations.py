"""The routes of operations: of every kind, whichever door they came through."""

from operator import attrgetter

from msgspec import UNSET

from outlast.dialects.lakesail.operations import LakeSailOperation, OperationList, operation_on_wire
from outlast.engine.access import Verb
from outlast.http.cancelling import cancel_operation
from outlast.http.lakesail.answering import ANSWER_MEDIA, BASE, WINDOW, Window, answered
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Route
from outlast.store.port import Query, View

_ONE = BASE + "/operations/{operationId}"
_PARAMS = {"operationId": "An operation's id; other forms of it are taken too."}


class OperationRoutes:
    """The routes of operations."""

    def __init__(self, parts: Parts) -> None:
        self._engine = parts.engine
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented. The status poll, which is asked most, comes first."""
        return [
            Route(
                method="GET",
                path=_ONE,
                handle=self._get,
                says="Get async operation status",
                verb=Verb.READ,
                answers={200: LakeSailOperation},
                answer_media=ANSWER_MEDIA,
                errors=("not_found",),
                params=_PARAMS,
            ),
            Route(
                method="GET",
                path=BASE + "/operations",
                handle=self._list,
                says="List operations, newest first",
                verb=Verb.READ,
                query=WINDOW,
                answers={200: OperationList},
                answer_media=ANSWER_MEDIA,
                errors=("invalid_page_token",),
            ),
            Route(
                method="POST",
                path=_ONE + "/cancel",
                handle=self._cancel,
                says="Ask for an operation to be stopped",
                verb=Verb.SUBMIT,
                answers={200: LakeSailOperation},
                answer_media=ANSWER_MEDIA,
                errors=("illegal_transition", "not_found", "request_timeout"),
                params=_PARAMS,
            ),
        ]

    async def _get(self, call: Call) -> Answer:
        operation = await self._engine.get(call.principal, call.params["operationId"])
        return answered(operation_on_wire(operation))

    async def _list(self, call: Call) -> Answer:
        window = Window(call, "operations")
        limit = min(window.limit, self._engine.limits.page_size)
        query = Query(tenant="", before_id=window.before_id, limit=limit, view=View.FULL)
        page = await self._engine.find(call.principal, query)
        has_more = page.next_before_id is not None
        shown, marker = window.cut(page.operations, attrgetter("id"), has_more=has_more)
        items = [operation_on_wire(one) for one in shown]
        return answered(OperationList(items=items, marker=UNSET if marker is None else marker))

    async def _cancel(self, call: Call) -> Answer:
        found = await self._engine.get(call.principal, call.params["operationId"])
        operation = await cancel_operation(self._engine, call, found, self._body_seconds)
        return answered(operation_on_wire(operation))
