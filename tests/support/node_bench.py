"""An executor of attempts on nodes, and attempts of the test handlers on it."""

import asyncio
import importlib
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from sinking import MODULE, RecordingSink, assignment

from outlast.executors.ray.executor import Place, RayExecutor
from outlast.executors.ray.pipes import Lost
from outlast.executors.ray.relay import Relay
from outlast.executors.subprocess import blueprints_of
from outlast.executors.workdirs import WorkFolder

HANDLERS = Path(__file__).parents[1] / "executors"


class RelayNodes:
    """Nodes on this machine: the relays themselves, with nothing of Ray's between."""

    def __init__(self):
        self.pipes = []
        self.free = asyncio.Event()
        self.free.set()
        self.failing = 0

    async def open(self):
        pass

    def place(self, resources):
        pipe = RelayPipe(self.free)
        if len(self.pipes) < self.failing:
            pipe.broken = "this node is no more"
        self.pipes.append(pipe)
        return pipe

    async def close(self):
        pass


class RelayPipe:
    """The way to a relay. It can be cut, which neither side is told, and the relay killed."""

    def __init__(self, free):
        self.relay = Relay()
        self.passing = asyncio.Event()
        self.passing.set()
        self.broken = None
        self._free = free
        self._heard = 0
        self._told = 0

    async def read(self):
        await self._free.wait()
        if self.broken:
            raise Lost(self.broken)
        data = await self.relay.hear(self._heard)
        await self.passing.wait()
        if not data:
            raise Lost("its host ended")
        self._heard += len(data)
        return data

    async def write(self, data):
        await self.passing.wait()
        await self.relay.tell(self._told, data)
        self._told += len(data)

    async def close(self):
        # Who is cut off does not hear of it.
        if self.passing.is_set():
            self.kill()

    def kill(self):
        """What becomes of a relay's pipe when its process is killed."""
        if self.relay._pipe is not None:
            self.relay._pipe[1].close()


class NodeBench:
    """Starts attempts on nodes."""

    def __init__(self, executor, work, nodes):
        self.executor = executor
        self.work = work
        self.nodes = nodes
        self.started = []

    def sink(self):
        return RecordingSink(self.work.path)

    async def start(self, kind, plan=None, **fields):
        sink = fields.pop("sink", None) or self.sink()
        running = await self.executor.start(assignment(kind, plan, **fields), sink)
        self.started.append(running)
        return running, sink

    async def run(self, kind, plan=None, **fields):
        running, sink = await self.start(kind, plan, **fields)
        outcome = await running.wait()
        await running.discard()
        return outcome, sink

    async def result(self, kind, plan=None, **fields):
        outcome, _ = await self.run(kind, plan, **fields)
        assert type(outcome).__name__ == "Finished", outcome
        return msgspec.json.decode(outcome.result)


def processes_of(text):
    """The processes of this one's descendants whose command holds a text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if text in command and os.getpid() in ancestors(int(entry.name)):
                found.append(int(entry.name))
    return found


def ancestors(pid):
    """The parents of a process, one above the other."""
    above = []
    while pid > 1:
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            break
        pid = int(fields[1])
        above.append(pid)
    return above


@asynccontextmanager
async def opened_node_bench(data, nodes, *, resources=(), **options):
    """The bench. `resources` are those of kinds that need other ones than they declare."""
    if str(HANDLERS) not in sys.path:
        sys.path.append(str(HANDLERS))
    kinds = {kind.name: kind for kind in importlib.import_module(MODULE).kinds}
    overriding = dict(resources)
    places = {
        name: Place(blueprint=blueprint, resources=overriding.get(name) or kinds[name].resources)
        for name, blueprint in blueprints_of(kinds, dict.fromkeys(kinds, MODULE)).items()
    }
    environment = {"PATH": os.environ["PATH"], "DECLARED": "declared", "WORKER_SECRET": "tell-tale"}
    work = WorkFolder(data / "work")
    work.open()
    executor = RayExecutor(
        nodes, work, places, environment=environment, path=[*sys.path], **options
    )
    await executor.open()
    bench = NodeBench(executor, work, nodes)
    try:
        yield bench
    finally:
        await executor.close()
        for running in bench.started:
            await running.discard()
        work.close()
