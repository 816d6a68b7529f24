"""Cancelling an operation, as the dialects do it."""

from outlast.engine import Engine
from outlast.http.parsing import read_body
from outlast.http.routing import Call
from outlast.operations.errors import IllegalTransition
from outlast.operations.model import Operation
from outlast.operations.states import State


async def cancel_operation(
    engine: Engine, call: Call, operation: Operation, body_seconds: float
) -> Operation:
    """The operation after the call has asked for it to be stopped.

    What was cancelled before is as it was wanted. Raises IllegalTransition for what has ended
    otherwise.
    """
    # What the body says, if there is one, matters to nobody.
    await read_body(call, engine.limits.body_bytes, body_seconds)
    try:
        return await engine.cancel(call.principal, operation.id, call.request_id)
    except IllegalTransition:
        operation = await engine.get(call.principal, operation.id)
        if operation.state is not State.CANCELLED:
            raise
        return operation
