"""Kinds that end in every way there is, for the server that the tests talk to."""

import asyncio

import msgspec

from outlast.operations.errors import Fatal
from outlast.operations.kind import Kind
from outlast.operations.progress import ResourceProgress


class CountSpec(msgspec.Struct, kw_only=True):
    """Counts to `steps`, so many `seconds` for each."""

    steps: int = 1
    seconds: float = 0.0


class CountResult(msgspec.Struct):
    """How far it came."""

    counted: int


async def count(spec: CountSpec, context) -> CountResult:
    """Counts, and says how far it is."""
    context.log("counting begins")
    for done in range(spec.steps):
        if context.cancelled:
            raise asyncio.CancelledError
        await asyncio.sleep(spec.seconds)
        context.report(
            done=done + 1,
            total=spec.steps,
            unit="numbers",
            stage="counting",
            resources=[ResourceProgress(urn="number:1", type="number", name="one")],
        )
    return CountResult(counted=spec.steps)


class FailSpec(msgspec.Struct):
    """Fails with this message."""

    message: str = "no such luck"


async def fail(spec: FailSpec, context):
    """Fails for good."""
    raise Fatal("no_luck", spec.message, field_errors={"message": "unlucky"})


kinds = [
    Kind("count", spec=CountSpec, result=CountResult, run=count, executor="inline"),
    Kind("fail", spec=FailSpec, result=CountResult, run=fail, executor="inline"),
]
