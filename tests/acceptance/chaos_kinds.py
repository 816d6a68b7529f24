"""Kinds that tell an outside file what they do, so that somebody else can judge it afterwards."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from typing import Any

import msgspec

from outlast.operations.errors import Retry
from outlast.operations.kind import Kind
from outlast.operations.retry import RetryPolicy

ATTEMPTS_MAX = 12
ATTEMPTS_MAX_BRIEF = 2
_RETRY_SECONDS = 0.1

_GRANDCHILD = """
import json, os, sys, time
file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
line = json.loads(sys.argv[2]) | {"pid": os.getpid(), "what": "grandchild"}
while True:
    os.write(file, (json.dumps(line | {"at": time.time()}) + "\\n").encode())
    time.sleep(0.05)
"""


class ChaosSpec(msgspec.Struct, frozen=True):
    """What an attempt does: `steps` of `step_seconds`, and `retries` times it asks for another."""

    outside: str
    steps: int = 4
    step_seconds: float = 0.1
    retries: int = 0
    grandchild: bool = False
    key: str | None = None


class ChaosResult(msgspec.Struct, frozen=True):
    """Which attempt it was that finished."""

    nonce: str
    attempt: int
    steps: int


class Outside:
    """One attempt's pen. Every line is one write, and says which attempt and which process."""

    def __init__(self, spec: ChaosSpec, context: Any) -> None:
        self.nonce = secrets.token_hex(8)
        self.path = spec.outside
        self.attempt = {
            "operation": context.operation_id,
            "attempt": context.attempt,
            "nonce": self.nonce,
        }
        self._file = os.open(spec.outside, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, what: str, **more: object) -> None:
        """Add a line."""
        now = time.time()  # noqa: TID251  compared with the store's clock, so not by it
        line = self.attempt | {"pid": os.getpid(), "what": what, "at": now, **more}
        os.write(self._file, (json.dumps(line) + "\n").encode())

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def work(spec: ChaosSpec, context: Any) -> ChaosResult:
    """Step by step: outside line, report, event, and every second time a checkpoint."""
    outside = Outside(spec, context)
    start = _start(outside, context)
    if spec.grandchild:
        subprocess.Popen(
            [sys.executable, "-S", "-c", _GRANDCHILD, spec.outside, json.dumps(outside.attempt)],
            start_new_session=True,
        )
    for step in range(start, spec.steps):
        time.sleep(spec.step_seconds)
        if context.cancelled:
            outside.write("stopping")
            raise asyncio.CancelledError
        document = _step(outside, context, spec, step)
        if document is not None:
            context.checkpoint(document)
            outside.write("checkpointed", step=step + 1)
    return _end(outside, context, spec)


def work_deaf(spec: ChaosSpec, context: Any) -> ChaosResult:
    """The same without ever looking whether it should stop."""
    outside = Outside(spec, context)
    start = _start(outside, context)
    for step in range(start, spec.steps):
        time.sleep(spec.step_seconds)
        _step(outside, context, spec, step)
    return _end(outside, context, spec)


async def wait(spec: ChaosSpec, context: Any) -> ChaosResult:
    """The same on the worker's own loop."""
    outside = Outside(spec, context)
    try:
        start = _start(outside, context)
        for step in range(start, spec.steps):
            await asyncio.sleep(spec.step_seconds)
            document = _step(outside, context, spec, step)
            if document is not None:
                await context.checkpoint(document)
                outside.write("checkpointed", step=step + 1)
        return _end(outside, context, spec)
    finally:
        outside.close()


def check(spec: ChaosSpec, catalog: Any) -> ChaosSpec:
    """Prepare nothing, in the child where others' kinds prepare."""
    return spec


def _start(outside: Outside, context: Any) -> int:
    checkpoint = context.last_checkpoint or {"nonce": None, "step": 0}
    outside.write("start", checkpoint=checkpoint)
    return checkpoint["step"]


def _step(outside: Outside, context: Any, spec: ChaosSpec, step: int) -> dict[str, object] | None:
    outside.write("report", step=step + 1)
    context.report(done=step + 1, total=spec.steps, unit="steps", message=outside.nonce)
    context.event("step", {"nonce": outside.nonce, "step": step + 1})
    return {"nonce": outside.nonce, "step": step + 1} if step % 2 else None


def _end(outside: Outside, context: Any, spec: ChaosSpec) -> ChaosResult:
    if context.attempt <= spec.retries:
        outside.write("retry")
        raise Retry(_RETRY_SECONDS)
    outside.write("end")
    return ChaosResult(nonce=outside.nonce, attempt=context.attempt, steps=spec.steps)


def _kind(name: str, run: Any, attempts_max: int = ATTEMPTS_MAX, **more: Any) -> Kind:
    return Kind(
        name,
        spec=ChaosSpec,
        result=ChaosResult,
        run=run,
        retry=RetryPolicy(attempts_max=attempts_max, delay_seconds=_RETRY_SECONDS, factor=1),
        environment=("OUTLAST_CHAOS",),
        **more,
    )


kinds: list[Kind] = [
    _kind("chaos_work", work),
    _kind("chaos_prepared", work, prepare=check, plan=ChaosSpec),
    _kind("chaos_brief", work, ATTEMPTS_MAX_BRIEF),
    _kind("chaos_keyed", work, concurrency_key=lambda spec: spec.key),
    _kind("chaos_deaf", work_deaf, cancel_grace_seconds=0.5),
    _kind("chaos_inline", wait, executor="inline"),
]
