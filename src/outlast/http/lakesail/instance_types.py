"""The route that discovers instance types: an operation finds them."""

from typing import Final

from outlast.dialects.lakesail.instance_types import (
    KIND,
    DiscoverInstanceTypesRequest,
    discovery_spec,
    wire_name,
)
from outlast.dialects.lakesail.operations import LakeSailOperation, operation_on_wire
from outlast.engine import Wish
from outlast.engine.access import Verb
from outlast.http.lakesail.answering import ANSWER_MEDIA, BASE, answered
from outlast.http.parsing import parse_traceparent, read_json
from outlast.http.parts import Parts
from outlast.http.renaming import renaming
from outlast.http.routing import Answer, Call, Route
from outlast.http.submitting import IDEMPOTENCY_KEY, SUBMIT_ERRORS, replayed
from outlast.operations.documents import canonical

_PATH: Final = BASE + "/infra/instance-types"


class InstanceTypeRoutes:
    """The route of instance types."""

    def __init__(self, parts: Parts) -> None:
        self._engine = parts.engine
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The route, documented."""
        return [
            Route(
                method="POST",
                path=_PATH,
                handle=self._discover,
                says="Discover instance types",
                verb=Verb.SUBMIT,
                headers=(IDEMPOTENCY_KEY,),
                body=DiscoverInstanceTypesRequest,
                answers={202: LakeSailOperation},
                answer_media=ANSWER_MEDIA,
                errors=SUBMIT_ERRORS,
            )
        ]

    async def _discover(self, call: Call) -> Answer:
        limit = self._engine.limits.body_bytes
        request = await read_json(call, DiscoverInstanceTypesRequest, limit, self._body_seconds)
        wish = Wish(
            kind=KIND,
            spec=canonical(discovery_spec(request)),
            idempotency_key=call.header(b"idempotency-key"),
            request_id=call.request_id,
            traceparent=parse_traceparent(call),
        )
        with renaming(wire_name):
            created = await self._engine.submit(call.principal, wish)
        return answered(operation_on_wire(created.operation), 202, replayed(created))
