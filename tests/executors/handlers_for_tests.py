"""Kinds whose handlers do what handlers do, and what they should not. Imported by children."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from outlast.executors.calls import Sandbox
from outlast.executors.launching import Launcher
from outlast.operations.errors import Fatal, Retry
from outlast.operations.kind import CatalogWrite, Finish, Kind, Resources
from outlast.operations.progress import ResourceProgress


class Text(msgspec.Struct):
    text: str


class Publication(msgspec.Struct, tag="publication", tag_field="type"):
    files: list[str]


def echo(plan: dict[str, Any], ctx: Any) -> Any:
    return plan


async def echo_async(plan: dict[str, Any], ctx: Any) -> Any:
    await asyncio.sleep(0)
    return plan


def facts(plan: dict[str, Any], ctx: Any) -> Any:
    (ctx.workdir / "made").write_text("here")
    return {
        "id": ctx.operation_id,
        "attempt": ctx.attempt,
        "deadline": ctx.deadline,
        "checkpoint": ctx.last_checkpoint,
        "secrets": dict(ctx.secrets),
        "cancelled": ctx.cancelled,
        "cwd": str(Path.cwd()),
        "main_thread": threading.current_thread() is threading.main_thread(),
        "pid": os.getpid(),
        "guard": os.getppid(),
        "inputs": {name.name: name.read_text() for name in sorted(ctx.workdir.glob("in*"))},
    }


def finish(plan: dict[str, Any], ctx: Any) -> Any:
    write = CatalogWrite(type="thing", id="1", document=b"{}")
    return Finish(result={"ok": True}, writes=[write, Publication(files=["a"])])


def publish(plan: dict[str, Any], ctx: Any) -> Any:
    """Make files, and name some in a publication."""
    for name in plan.get("make", ()):
        (ctx.workdir / name).parent.mkdir(exist_ok=True)
        (ctx.workdir / name).write_text("made")
    if "link" in plan:
        (ctx.workdir / "link").symlink_to(plan["link"])
    return Finish(result={}, writes=[Publication(files=plan["files"])])


def say_everything(plan: dict[str, Any], ctx: Any) -> Any:
    ctx.report(1, 3, unit="rows", stage="reading", message="m")
    ctx.report(resources=[ResourceProgress(urn="a", status="running")])
    ctx.log("one\ntwo")
    ctx.event("loss", {"step": 1, "value": 0.5})
    print("printed")  # noqa: T201
    print("to stderr", file=sys.stderr)  # noqa: T201
    os.system("echo from a program")
    return {}


def raise_(plan: dict[str, Any], ctx: Any) -> Any:
    match plan["what"]:
        case "retry":
            raise Retry(7.5, message="later")
        case "fatal":
            raise Fatal("no_such_column", "no column x", field_errors={"spec.x": "unknown"})
        case "value":
            raise ValueError("boom")
        case "odd":
            raise ValueError("nul \0 half \ud800")
        case "odd fatal":
            raise Fatal("c", "nul \0", details={"half": "\ud800", "object": object()})
        case "long":
            raise Fatal("c", "x" * 1_000_000, details={"y": "y" * 1_000_000})
        case "memory":
            raise MemoryError
        case "exit":
            raise SystemExit(3)
        case "base":
            raise KeyboardInterrupt
    return None


def die(plan: dict[str, Any], ctx: Any) -> Any:
    match plan["how"]:
        case "exit":
            os._exit(3)
        case "segv":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "guard":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
    return None


def give(plan: dict[str, Any], ctx: Any) -> Any:
    match plan["what"]:
        case "wrong":
            return {"text": 5}
        case "huge":
            return {"text": "x" * (2 << 20)}
        case "object":
            return object()
        case "frame":
            return Finish(result={"text": ""}, writes=[{"x": "x" * (17 << 20)}])
    return Text(text="fine")


def eat_memory(plan: dict[str, Any], ctx: Any) -> Any:
    return len(bytearray(4 << 30))


def brood(plan: dict[str, Any], ctx: Any) -> Any:
    """Start a child, one in a session of its own, and a daemon, and tell their pids."""
    pids = ctx.workdir / "pids"
    _start(pids, 1)
    _start(pids, 1, session=True)
    _start(pids, 2, session=True)
    while len(pids.read_text().splitlines() if pids.exists() else ()) < 3:
        time.sleep(0.005)
    ctx.log(" ".join(pids.read_text().split()))
    match plan["then"]:
        case "stay":
            time.sleep(60)
        case "kill_guard":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        case "stop_guard":
            os.kill(os.getppid(), signal.SIGSTOP)
            time.sleep(60)
    return {}


def _start(pids: Path, forks: int, *, session: bool = False) -> None:
    if os.fork():
        return
    if session:
        os.setsid()
    if forks > 1 and os.fork():
        os._exit(0)
    for number in range(1, 65):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    with pids.open("a") as file:
        file.write(f"{os.getpid()}\n")
    os.closerange(0, 1024)
    while True:
        time.sleep(60)


def multiply(plan: dict[str, Any], ctx: Any) -> Any:
    """Forks as fast as it can, in every descendant."""
    if plan.get("daemon"):
        while os.fork() == 0:
            os.setsid()
        # Each generation leaves at once; the next is an orphan.
        os._exit(0)
    until = time.monotonic() + plan["seconds"]
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            os.fork()
    return {}


def wait_plain(plan: dict[str, Any], ctx: Any) -> Any:
    ctx.log("waiting")
    while not ctx.cancelled:
        time.sleep(0.005)
    match plan.get("then"):
        case "finish":
            return {"completed": "despite"}
        case "fatal":
            raise Fatal("bad", "it was bad anyway")
        case "cancelled":
            raise asyncio.CancelledError
    raise RuntimeError("interrupted")


async def wait_async(plan: dict[str, Any], ctx: Any) -> Any:
    ctx.log("waiting")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        if plan.get("then") == "finish":
            return {"completed": "despite"}
        raise
    return {}


def ignore_cancel(plan: dict[str, Any], ctx: Any) -> Any:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctx.log("waiting")
    while True:
        time.sleep(60)


def flood(plan: dict[str, Any], ctx: Any) -> Any:
    match plan["with"]:
        case "output":
            line = "x" * 99 + "\n"
            for _ in range(plan["lines"]):
                sys.stdout.write(line)
        case "line":
            sys.stdout.write("y" * plan["lines"])
        case "frames":
            for number in range(plan["lines"]):
                ctx.report(number)
        case "output_for_ever":
            ctx.log("waiting")
            while True:
                os.write(1, b"z" * 65536)
    return {}


def talk_garbage(plan: dict[str, Any], ctx: Any) -> Any:
    channel = socket.socket(fileno=os.dup(3))
    match plan["as"]:
        case "bytes":
            channel.sendall(b"\0\0\0\7garbage")
        case "length":
            channel.sendall(b"\xff\xff\xff\xff" + b"x" * 1000)
        case "depth":
            body = b"\x91" * 100_000
            channel.sendall(len(body).to_bytes(4, "big") + body)
        case "half":
            channel.sendall(b"\0\0\1\0half")
            os._exit(0)
        case "random":
            with contextlib.suppress(OSError):
                while True:
                    channel.sendall(os.urandom(65536))
    time.sleep(60)


def checkpoint(plan: dict[str, Any], ctx: Any) -> Any:
    ctx.checkpoint({"step": 1})
    if plan.get("die"):
        os._exit(9)
    ctx.checkpoint({"step": 2})
    return {}


async def checkpoint_async(plan: dict[str, Any], ctx: Any) -> Any:
    await ctx.checkpoint({"step": 1})
    with contextlib.suppress(Exception):
        await ctx.checkpoint("x" * (2 << 20))
    return {}


def use_files(plan: dict[str, Any], ctx: Any) -> Any:
    made = ctx.workdir / "sub" / "made"
    made.parent.mkdir()
    made.write_text("content")
    ctx.files.put("stored", made)
    found = ctx.files.get("stored", ctx.workdir / "sub" / "fetched")
    return {
        "found": found,
        "fetched": (ctx.workdir / "sub" / "fetched").read_text(),
        "missing": ctx.files.get("missing", ctx.workdir / "nothing"),
        "names": list(ctx.files.list()),
    }


def steal_by_link(plan: dict[str, Any], ctx: Any) -> Any:
    """Name a link to a file of the worker's, for the worker to read, and to write."""
    tried = {}
    (ctx.workdir / "link").symlink_to(plan["target"])
    (ctx.workdir / "folder").symlink_to(Path(plan["target"]).parent)
    os.mkfifo(ctx.workdir / "pipe")
    for name in ("link", f"folder/{Path(plan['target']).name}", "pipe", plan["target"], "../x"):
        try:
            ctx.files.put("stolen", ctx.workdir / name)
            tried[name] = "stored"
        except Exception as error:  # noqa: BLE001
            tried[name] = str(error)
    for name in ("link", f"folder/{Path(plan['target']).name}"):
        with contextlib.suppress(Exception):
            ctx.files.get("known", ctx.workdir / name)
    return tried


def look_around(plan: dict[str, Any], ctx: Any) -> Any:
    """Try what a sandbox should refuse. Each value is what came of it."""
    answers: dict[str, Any] = {}

    def attempt(name: str, call: Any) -> None:
        try:
            answers[name] = repr(call())
        except Exception as error:  # noqa: BLE001
            answers[name] = f"refused: {type(error).__name__}"

    attempt("own file", lambda: (ctx.workdir / "mine").write_text("x"))
    for name in plan.get("read", ()):
        attempt(f"read {name}", lambda name=name: Path(name).read_bytes()[:10])
    for name in plan.get("list", ()):
        attempt(f"list {name}", lambda name=name: list(Path(name).iterdir()))
    for name in plan.get("write", ()):
        attempt(f"write {name}", lambda name=name: Path(name).write_text("x"))
    for pid in plan.get("signal", ()):
        attempt(f"signal {pid}", lambda pid=pid: os.kill(pid, 0))
    for port in plan.get("connect", ()):
        attempt(
            f"connect {port}", lambda port=port: socket.create_connection(("127.0.0.1", port), 2)
        )
    attempt("datagram", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    attempt("unix socket", lambda: socket.socket(socket.AF_UNIX))
    attempt("datagram pair", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
    attempt("stream pair", lambda: socket.socketpair()[0].family.name)
    attempt("program", lambda: os.posix_spawn("/bin/true", ["true"], {}))
    attempt("identity", lambda: (os.getuid(), os.getgroups()))
    attempt("capabilities", lambda: _status("CapEff"))
    return answers


def _status(field: str) -> str:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return line
    return ""


def environment(plan: dict[str, Any], ctx: Any) -> Any:
    return {
        "environ": dict(os.environ),
        "own": Path("/proc/self/environ").read_bytes().decode().split("\0"),
        "parents": Path(f"/proc/{os.getppid()}/environ").read_bytes().decode().split("\0"),
        "descriptors": sorted(entry.name for entry in Path("/proc/self/fd").iterdir()),
    }


def import_late(plan: dict[str, Any], ctx: Any) -> Any:
    __import__(plan["module"])
    return {}


async def call_sandboxed(plan: dict[str, Any], ctx: Any) -> Any:
    """What a handler does that must parse hostile bytes and also needs the network."""
    (ctx.workdir / "in").write_text("abc")
    (ctx.workdir / "secret").write_text("secret")
    launcher = Launcher(ctx.workdir / "calls", environment=os.environ)
    await launcher.open()
    options: dict[str, Any] = {"timeout_seconds": 20}
    try:
        sandbox = Sandbox(launcher)
        inputs = {"in": ctx.workdir / "in"}
        async with sandbox("calls_for_tests:turn_around", b"x", inputs=inputs, **options) as result:
            turned = result.answer["turned"]
        secret = str(ctx.workdir / "secret").encode()
        async with sandbox("calls_for_tests:read", secret, inputs={}, **options) as result:
            return {"turned": turned, "read": result.answer}
    finally:
        await launcher.close()


def fork_many(plan: dict[str, Any], ctx: Any) -> Any:
    children = 0
    try:
        while children < 2000:
            if os.fork() == 0:
                time.sleep(60)
            children += 1
    except OSError:
        return {"children": children}
    return {"children": children}


kinds = [
    Kind("echo", spec=dict, result=dict, run=echo),
    Kind("echo_async", spec=dict, result=dict, run=echo_async),
    Kind("facts", spec=dict, result=dict, run=facts),
    Kind("finish", spec=dict, result=dict, run=finish),
    Kind("publish", spec=dict, result=dict, run=publish),
    Kind("say_everything", spec=dict, result=dict, run=say_everything),
    Kind("raise", spec=dict, result=None, run=raise_),
    Kind("die", spec=dict, result=None, run=die),
    Kind("give", spec=dict, result=Text, run=give),
    Kind(
        "eat_memory",
        spec=dict,
        result=int,
        run=eat_memory,
        resources=Resources(memory_bytes=1 << 30),
    ),
    Kind("brood", spec=dict, result=dict, run=brood),
    Kind("multiply", spec=dict, result=dict, run=multiply),
    Kind("wait_plain", spec=dict, result=dict, run=wait_plain),
    Kind("wait_async", spec=dict, result=dict, run=wait_async),
    Kind("ignore_cancel", spec=dict, result=dict, run=ignore_cancel),
    Kind("flood", spec=dict, result=dict, run=flood),
    Kind("talk_garbage", spec=dict, result=dict, run=talk_garbage),
    Kind("checkpoint", spec=dict, result=dict, run=checkpoint),
    Kind("checkpoint_async", spec=dict, result=dict, run=checkpoint_async),
    Kind("use_files", spec=dict, result=dict, run=use_files),
    Kind("environment", spec=dict, result=dict, run=environment, environment=("DECLARED",)),
    Kind("call_sandboxed", spec=dict, result=dict, run=call_sandboxed),
    Kind("look_around", spec=dict, result=dict, run=look_around, sandboxed=True),
    Kind("locked_files", spec=dict, result=dict, run=use_files, sandboxed=True),
    Kind("locked_facts", spec=dict, result=dict, run=facts, sandboxed=True),
    Kind("locked_garbage", spec=dict, result=dict, run=talk_garbage, sandboxed=True),
    Kind("steal_by_link", spec=dict, result=dict, run=steal_by_link, sandboxed=True),
    Kind("import_late", spec=dict, result=dict, run=import_late, sandboxed=True),
    Kind("fork_many", spec=dict, result=dict, run=fork_many, sandboxed=True),
    Kind("locked_brood", spec=dict, result=dict, run=brood, sandboxed=True),
]
