"""Operations over many resources, for `resources.py`."""

import asyncio
import time
from typing import Any

import msgspec

from outlast.clock import system_clock
from outlast.operations.kind import Context, Kind
from outlast.operations.progress import ResourceProgress
from outlast.operations.retry import RetryPolicy

STEPS = ("running", "succeeded")


class Spec(msgspec.Struct, kw_only=True):
    """How many resources there are, and how often one of them changes; 0: never.

    `bytes` is how large the result is.
    """

    resources: int = 0
    changes_per_second: float = 0
    seconds: float = 60
    bytes: int = 0


def resource(number: int, step: str) -> ResourceProgress:
    """A resource as a deployment has it: about 170 bytes."""
    name = f"subnet-{number}"
    return ResourceProgress(
        urn=f"urn:outlast:06A1B2C3D4E5F6G7H8J9::module.network[0].aws_subnet.{name}",
        type="aws_subnet",
        name=name,
        operation="create",
        status=step,  # type: ignore[arg-type]
        duration_seconds=None if step == "pending" else 12.25,
    )


async def work(spec: Spec, context: Context) -> Any:
    """Change one resource after the other; the message is when that was."""
    shown = [resource(number, "pending") for number in range(spec.resources)]
    context.report(stage="apply", message=str(system_clock() / 1e6), resources=shown)
    ends_at = time.monotonic() + spec.seconds
    changes = ((number, step) for step in STEPS for number in range(spec.resources))
    while time.monotonic() < ends_at and not spec.bytes:
        await asyncio.sleep(1 / (spec.changes_per_second or 5))
        changed = next(changes, None) if spec.changes_per_second else None
        if changed is not None:
            shown[changed[0]] = resource(*changed)
            context.report(message=str(system_clock() / 1e6), resources=shown)
    return "x" * spec.bytes


kinds = [Kind("work", spec=Spec, result=str, run=work, retry=RetryPolicy(attempts_max=1))]
