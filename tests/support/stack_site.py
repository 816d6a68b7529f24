"""One stack of a real server, what is seen of it, and the processes that work on it."""

import itertools
import os
import signal
import time
from pathlib import Path

from outlast.client.stacks import StackWish

names = (f"stack-{number}" for number in itertools.count(1))


class Site:
    """One stack of the module `workshop`."""

    def __init__(self, installation, client, root):
        self.installation = installation
        self.client = client
        self.root = root
        self.name = next(names)

    def deploy(self, secrets=None, **variables):
        """A new stack: the operation."""
        return self.client.stacks.create(self.name, "workshop", self._wish(secrets, variables))

    def update(self, secrets=None, **variables):
        return self.client.stacks.update(self.name, self._wish(secrets, variables))

    def _wish(self, secrets, variables):
        told = {"root": str(self.root), **variables}
        return StackWish(variables=told, secret_variables=secrets or {})

    def ended(self, operation, seconds=60):
        return self.client.wait(operation.id, seconds)

    def show(self):
        return self.client.stacks.get(self.name)

    @property
    def journal(self):
        """What was done to real things, in order."""
        file = self.root / "journal"
        if not file.exists():
            return []
        return [line.replace(f"{self.root}/", "") for line in file.read_text().splitlines()]

    def seen(self, operation, condition, seconds=30):
        """The operation, once this is so."""
        ends = time.monotonic() + seconds
        while not condition(found := self.client.get(operation.id)):
            assert not found.finished_at, (found.state, found.failure)
            assert time.monotonic() < ends, (found.state, statuses(found))
            time.sleep(0.1)
        return found


def statuses(operation):
    """How it stands with each resource, by name and what is done to it."""
    rows = operation.progress.resources if operation.progress is not None else ()
    return {(row.name, row.operation): row.status for row in rows}


def processes():
    """Every process by its id: whose child it is, and its command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            pid = int(entry.name)
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        found[pid] = (parent, [part.decode(errors="replace") for part in command])
    return found


def below(pid):
    """The descendants of a process, with their command lines."""
    known = processes()
    found, waiting = {}, [pid]
    while waiting:
        parent = waiting.pop()
        for child, (of, command) in known.items():
            if of == parent and child not in found:
                found[child] = command
                waiting.append(child)
    return found


def kill_worker(installation):
    """Kill the server's worker, and nothing else."""
    [worker] = [
        pid for pid, command in below(installation.process.pid).items() if "outlast.app" in command
    ]
    os.kill(worker, signal.SIGKILL)
