"""How whatever takes its time is accepted, and where its status is."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.ids import show_operation_id
from outlast.dialects.datarobot.words import GENAI, PLATFORM
from outlast.engine import Engine, Wish
from outlast.http.parsing import parse_traceparent
from outlast.http.renaming import renaming
from outlast.http.routing import Answer, Call
from outlast.http.submitting import SUBMIT_ERRORS
from outlast.operations.documents import canonical
from outlast.operations.model import Operation

ACCEPT_ERRORS: Final = tuple(
    code for code in SUBMIT_ERRORS if code not in {"idempotency_mismatch", "operation_id_taken"}
)


async def submit(
    engine: Engine,
    call: Call,
    kind: str,
    spec: Mapping[str, Any],
    *,
    wire_path: Callable[[str], str] = lambda path: path,
    **wish: Any,
) -> Operation:
    """Create an operation; it can be polled before this answers.

    `wire_path` tells what a field of the spec is called in the request; `wish` has more of a Wish.
    """
    wanted = Wish(
        kind=kind,
        spec=canonical(spec),
        request_id=call.request_id,
        traceparent=parse_traceparent(call),
        **wish,
    )
    with renaming(wire_path):
        return (await engine.submit(call.principal, wanted)).operation


def accepted(
    call: Call, operation: Operation, body: Any, *, at: Literal["genai", "platform"] = "genai"
) -> Answer:
    """202, with the absolute URL of the operation's status, which clients take apart."""
    base = GENAI if at == "genai" else PLATFORM
    id = show_operation_id(operation.id, operation.alias)
    location = call.absolute(f"{base}/status/{id}/")
    return Answer(status=202, body=encode(body), headers=[(b"location", location.encode())])
