"""A worker whose attempt freezes its guard, and that is soon out of patience."""
# ruff: noqa: T201

import asyncio
import sys
from pathlib import Path

import conftest

from outlast.executors import ward


async def main(data: Path, plan: str) -> None:
    ward._BACKSTOP_SECONDS = 0.2
    async with conftest.opened_bench(data) as bench:
        running, sink = await bench.start(
            "brood", conftest.msgspec.json.decode(plan), cancel_grace_seconds=0.1
        )
        print(await sink.logged(), flush=True)
        running.cancel("cancelled")
        print(await running.wait(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
