"""A kind that holds two secrets until it is told to end."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from outlast.operations.errors import Retry
from outlast.operations.kind import Context, Kind, Prepared


def prepare(spec: dict[str, str], _catalog: Any) -> Prepared:
    references = {"own": spec["own"], "backend": "backend:demo"}
    return Prepared(plan={"until": spec["until"]}, secrets=references)


async def hold(plan: dict[str, str], context: Context) -> dict[str, str]:
    secrets = context.secrets
    await context.checkpoint({"holding": sorted(secrets)})
    context.log(f"holding {secrets['own']}")
    while not Path(plan["until"]).exists():  # noqa: ASYNC110, ASYNC240  another process's signal
        await asyncio.sleep(0.02)
    if context.attempt == 1:
        raise Retry(0, message=f"{secrets['own']} was refused")
    return {name: hashlib.sha256(value.encode()).hexdigest() for name, value in secrets.items()}


kinds = [
    Kind(
        name,
        spec=dict,
        result=dict,
        run=hold,
        prepare=prepare,
        executor=executor,
        secrets=("own", "backend"),
    )
    for name, executor in (("hold", "subprocess"), ("hold_inline", "inline"))
]
