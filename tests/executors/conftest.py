import asyncio
import importlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sinking import MODULE, RecordingSink, assignment

from outlast.executors.launching import Launcher
from outlast.executors.port import Outcome, Running
from outlast.executors.subprocess import SubprocessExecutor, blueprints_of
from outlast.operations.kind import Kind
from outlast.settings import Limits

HERE = Path(__file__).parent

sys.path.append(str(HERE))
KINDS = importlib.import_module(MODULE).kinds


class Bench:
    """An executor, and attempts of the test handlers on it."""

    def __init__(self, executor: SubprocessExecutor, launcher: Launcher) -> None:
        self.executor = executor
        self.launcher = launcher
        self.started: list[Running] = []

    async def start(
        self, kind: str, plan: object = None, **fields: Any
    ) -> tuple[Running, RecordingSink]:
        sink = fields.pop("sink", None) or RecordingSink(self.launcher.work.path)
        running = await self.executor.start(assignment(kind, plan, **fields), sink)
        self.started.append(running)
        return running, sink

    async def run(
        self, kind: str, plan: object = None, **fields: Any
    ) -> tuple[Outcome, RecordingSink]:
        running, sink = await self.start(kind, plan, **fields)
        outcome = await running.wait()
        await running.discard()
        return outcome, sink

    async def result(self, kind: str, plan: object = None, **fields: Any) -> Any:
        outcome, _ = await self.run(kind, plan, **fields)
        assert type(outcome).__name__ == "Finished", outcome
        return msgspec.json.decode(outcome.result)


@asynccontextmanager
async def opened_bench(
    data: Path,
    *,
    warm: int = 0,
    limits: Limits | None = None,
    module: str = MODULE,
    kinds: Sequence[Kind] = KINDS,
    **options: Any,
) -> AsyncIterator[Bench]:
    data.mkdir(mode=0o711, exist_ok=True)  # noqa: ASYNC240  before anything runs
    environment = {"PATH": os.environ["PATH"], "DECLARED": "declared", "WORKER_SECRET": "tell-tale"}
    options.setdefault("path", [*sys.path, str(HERE), str(data.parent)])
    launcher = Launcher(data / "work", environment=environment, **options)
    named = {kind.name: kind for kind in kinds}
    executor = SubprocessExecutor(
        launcher,
        blueprints_of(named, dict.fromkeys(named, module)),
        warm=warm,
        limits=limits,
    )
    await launcher.open()
    await executor.open()
    try:
        yield Bench(executor, launcher)
    finally:
        await executor.close()
        await launcher.close()


@pytest.fixture
def open_bench():
    return opened_bench


@pytest.fixture
async def bench(tmp_path):
    async with opened_bench(tmp_path / "data") as bench:
        yield bench
        for running in bench.started:
            running.kill("released")
            await running.wait()
            await running.discard()
    assert list((tmp_path / "data" / "work").iterdir()) == []


async def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """What a condition gives, as soon as it gives something."""
    async with asyncio.timeout(seconds):
        while not (given := condition()):  # noqa: ASYNC110  the kernel sets no event
            await asyncio.sleep(0.005)
    return given


@pytest.fixture(name="until")
def until_fixture():
    return until


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def alive():
    """Which of some processes are alive."""
    return lambda pids: [pid for pid in pids if is_alive(pid)]
