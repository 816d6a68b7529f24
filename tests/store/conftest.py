"""Child processes that work on a store: started with a script, told to go, asked for an answer."""

import asyncio
import json
import sys

import pytest
from postgres_server import pytest_sessionfinish  # noqa: F401  a hook, known by its name

pytest.register_assert_rewrite("outlast.testing.store_contract", "outlast.testing.store_machine")

PREAMBLE = """
import asyncio, json, os, sys
from pathlib import Path
from outlast.operations import transitions
from outlast.operations.errors import OutlastError, StoreFull
from outlast.operations.model import Submission
from outlast.store.port import Change, Changed, Claim, Created, Creation, Held, Query
from outlast.store.sqlite import SqliteStore

def creation(**fields):
    wish = {"tenant": "acme", "created_by": "ada", "kind": "thumbnails", "spec": b"1", **fields}
    return Creation(submission=Submission(**wish))

def claim(limit):
    kinds = frozenset({"thumbnails"})
    return Claim(kinds=kinds, worker=str(os.getpid()), limit=limit, lease_seconds=60)

def success(operation):
    token = operation.lease.token
    decide = lambda stored, now: transitions.succeed(stored, token, b"1", now)
    return Change(id=operation.id, tenant=None, decide=decide)

async def go():
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)

def answer(value):
    print(json.dumps(value), flush=True)

path = Path(sys.argv[1])
"""


class Child:
    def __init__(self, process):
        self.process = process

    def go(self):
        self.process.stdin.write(b"go\n")

    async def answer(self):
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        assert line, "the child died"
        return json.loads(line)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outlast.db"


@pytest.fixture
async def start_children(path):
    """Start children that run a script up to its `await go()`."""
    started = []

    async def start(script, count=1):
        command = [sys.executable, "-W", "error", "-c", PREAMBLE + script, str(path)]
        pipe = asyncio.subprocess.PIPE
        children = [
            Child(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe))
            for _ in range(count)
        ]
        started.extend(children)
        for child in children:
            line = await asyncio.wait_for(child.process.stdout.readline(), 60)
            assert line == b"ready\n"
        return children

    yield start
    for child in started:
        if child.process.returncode is None:
            child.process.kill()
        await child.process.communicate()
