"""Kinds that hold the interpreter's lock, as a C library may that never lets go of it."""

import ctypes
from typing import Any

from outlast.operations.kind import Kind
from outlast.operations.retry import RetryPolicy


def run(plan: Any, context: Any) -> Any:
    """Hold it in one call: no other thread of this process runs meanwhile."""
    ctypes.PyDLL(None).sleep(int(plan["seconds"]))
    return {"attempt": context.attempt}


def prepare(spec: Any, catalog: Any) -> Any:
    """Hold it where an attempt is prepared; not where the operation is created."""
    if catalog.operation_id is not None:
        ctypes.PyDLL(None).sleep(int(spec["prepare_seconds"]))
    return spec


_ONCE = RetryPolicy(attempts_max=1)
kinds = [
    Kind("hold", spec=Any, result=Any, run=run, retry=_ONCE),
    Kind("hold_prepared", spec=Any, result=Any, run=run, prepare=prepare, retry=_ONCE),
]
