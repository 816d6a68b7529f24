"""Claim: beside a tenant with a hundred times the work, another one waits at most twice as long.

One worker with 16 slots, inline handlers that sleep 10 to 30 ms. The quiet tenant brings bursts of
48 operations, now and then; the store says how long each waited from its creation to its start. In
turn: alone, and beside a noisy tenant that has a hundred times as many operations, and so enough
waiting all the time to take every slot.

With --singles the quiet tenant brings one operation at a time. Turns alone make it wait for a slot
to come free; so the noisy tenant is held to three quarters of the slots (`running_max`).
"""

import argparse
import asyncio
import random
import statistics
import tempfile
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from databases import Server, server
from in_process import ALIKE, NoopSpec, in_process, make_spec, run
from outlast.engine import Engine, Principal, Role, Wish
from outlast.operations.kind import Kind
from outlast.settings import Sharing, TenantShare

RATIO_MAX: Final = 2.0
SLOTS: Final = 16
TIMES: Final = 100
_SPEC: Final = make_spec()
_QUIET: Final = Principal(tenant="quiet", member="bench", role=Role.SUBMITTER)
_NOISY: Final = Principal(tenant="noisy", member="bench", role=Role.SUBMITTER)
_HEADROOM: Final = Sharing(tenants={"noisy": TenantShare(running_max=SLOTS * 3 // 4)})


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the quiet tenant brings: so many times so many, with a pause after each."""

    bursts: int
    size: int
    pause_seconds: float

    @property
    def operations(self) -> int:
        """All of them."""
        return self.bursts * self.size


BURSTS: Final = Load(bursts=10, size=48, pause_seconds=0.5)
SINGLES: Final = Load(bursts=300, size=1, pause_seconds=0.02)


class Waits(msgspec.Struct, frozen=True):
    """How long operations waited to begin, in milliseconds."""

    p50: float
    p99: float


async def _nap(plan: NoopSpec, context: Any) -> None:  # noqa: ARG001  a handler's form
    await asyncio.sleep(random.uniform(0.010, 0.030))


_NAP: Final = Kind("nap", spec=NoopSpec, result=None, run=_nap, executor="inline")


async def bring(engine: Engine, principal: Principal, operations: int) -> list[str]:
    """Create so many operations; their ids."""
    ids = []
    while operations > 0:
        wishes = [Wish(kind=_NAP.name, spec=_SPEC)] * min(500, operations)
        operations -= len(wishes)
        ids += [one.operation.id for one in await engine.submit_many(principal, wishes)]
    return ids


async def waits_of(engine: Engine, load: Load) -> Waits:
    """Bring the load and see it to its end."""
    waits: list[float] = []
    for _ in range(load.bursts):
        for id_ in await bring(engine, _QUIET, load.size):
            ended = await engine.wait(_QUIET, id_, 60)
            waits.append((ended.started_at - ended.created_at) / 1000)
        await asyncio.sleep(load.pause_seconds)
    return Waits(statistics.median(waits), statistics.quantiles(waits, n=100)[98])


async def measure(
    load: Load, neighbour: Principal | None, sharing: Sharing, url: str | None
) -> Waits:
    """One round on a fresh file, or on the database at the URL."""
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as folder:
        async with in_process(Path(folder), _NAP, SLOTS, url=url, sharing=sharing) as engine:
            await waits_of(engine, msgspec.structs.replace(load, bursts=2))
            if neighbour is not None:
                await bring(engine, neighbour, load.operations * TIMES)
            return await waits_of(engine, load)


def rounds_of(load: Load, rounds: int, own: Server | None = None) -> dict[str, list[Waits]]:
    """Alone and beside the noisy tenant, in turn."""
    sharing = _HEADROOM if load.size == 1 else ALIKE
    neighbours = {"alone": None, "beside": _NOISY}
    found: dict[str, list[Waits]] = {name: [] for name in neighbours}
    for _ in range(rounds):
        for name, neighbour in neighbours.items():
            url = own.new_database() if own is not None else None
            found[name].append(run(partial(measure, load, neighbour, sharing, url)))
            if own is not None and url is not None:
                own.drop(url)
    return found


def p99_ratios(found: dict[str, list[Waits]]) -> list[float]:
    """The p99 beside the noisy tenant over the p99 alone, round by round."""
    return [
        beside.p99 / alone.p99
        for alone, beside in zip(found["alone"], found["beside"], strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server of its own")
    parser.add_argument("--singles", action="store_true", help="one operation at a time")
    wanted = parser.parse_args()
    load = SINGLES if wanted.singles else BURSTS
    with server() if wanted.postgres else nullcontext() as own:
        found = rounds_of(load, wanted.rounds, own)
    for name, waits in found.items():
        p50, p99 = (
            statistics.median(getattr(one, each) for one in waits) for each in ("p50", "p99")
        )
        print(f"{name:8} p50 {p50:9.1f} ms   p99 {p99:9.1f} ms")
    many = p99_ratios(found)
    print(f"p99 beside / alone: {statistics.median(many):.2f} ({min(many):.2f} to {max(many):.2f})")


if __name__ == "__main__":
    main()
