"""Policies are evaluated in a process of their own here.

Their engine dies in a process that has pyarrow or DuckDB loaded, as that of the tests has.
"""

import asyncio
import atexit
import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec


class PolicyProcess:
    """Calls functions as a locked child does, one after the other. Started when first asked."""

    def __init__(self):
        self._process = None
        self._turn = threading.Lock()

    def call(self, target, arguments):
        with self._turn:
            return self._call(target, arguments)

    def _call(self, target, arguments):
        if self._process is None:
            path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
            self._process = subprocess.Popen(
                [sys.executable, "-m", "policy_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": path},
            )
        request = json.dumps({"target": target, "arguments": arguments.decode()})
        self._process.stdin.write(request.encode() + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline())

    def judge(self, policy, document, args=None, evidence=None, seconds=10):
        """What `evaluating.judge` says."""
        from outlast.resources.policies.verdicts import Verdict  # noqa: PLC0415

        asked = {
            "policy": policy,
            "seen": {"document": document, "args": args or {}, "evidence": evidence or {}},
            "seconds": seconds,
        }
        answer = self.call("policy_process:judge", msgspec.json.encode(asked))
        return msgspec.convert(answer, Verdict)

    def close(self):
        if self._process is not None:
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait(10)


class PolicySandbox:
    """Calls functions of a policy process: what locks them in is tested elsewhere."""

    @asynccontextmanager
    async def __call__(self, target, arguments, **options):
        _ = options
        yield _Called(await asyncio.to_thread(_shared_process().call, target, arguments))


@functools.cache
def _shared_process():
    process = PolicyProcess()
    atexit.register(process.close)
    return process


class _Called:
    folder = None

    def __init__(self, answer):
        self.answer = answer


def judge(arguments, workdir):
    """Judge a policy in a fork, as an evaluation does."""
    from outlast.resources.policies import evaluating, forks  # noqa: PLC0415
    from outlast.resources.policies.format import PolicyDocument  # noqa: PLC0415
    from outlast.resources.policies.verdicts import Seen  # noqa: PLC0415

    _ = workdir
    asked = msgspec.json.decode(arguments)
    policy = msgspec.convert(asked["policy"], PolicyDocument)
    seen = msgspec.convert(asked["seen"], Seen)

    def act(say):
        say(msgspec.json.encode(evaluating.judge(policy, seen, seconds=asked["seconds"])))

    return json.loads(forks.fork(act, memory_bytes=2**28).said[0])


def refused(arguments, workdir):
    """The functions that no policy may call."""
    from outlast.resources.policies.rego_engine import REFUSED  # noqa: PLC0415

    _ = arguments, workdir
    return sorted(REFUSED)


def _serve():
    answers = os.fdopen(os.dup(1), "w")
    # What policies print is no answer.
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            asked = json.loads(line)
            module, _, name = asked["target"].partition(":")
            call = getattr(importlib.import_module(module), name)
            answer = call(asked["arguments"].encode(), Path(folder))
            answers.write(json.dumps(msgspec.to_builtins(answer)) + "\n")
            answers.flush()


if __name__ == "__main__":
    _serve()
