"""The status poll and the durable create over HTTP, against a bare constant-JSON ASGI application.

    python bench/http_api.py [--seconds 2] [--rounds 5] [--connections 32]
                             [--watchers 900]

Every server is a process of its own: uvicorn with uvloop and httptools on 127.0.0.1. The client
sends the next request on a connection when the answer to the last one is complete. Servers take
turns within each round, so that what else the machine does falls on all of them alike.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import msgspec
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from outlast.clock import system_clock
from outlast.engine import Engine, Hub, Principal, Role, Wish
from outlast.engine.tokens import Tokens
from outlast.http import Parts, Site, server_config
from outlast.http.rendering import encode, view
from outlast.http.routing import Table
from outlast.operations.kind import Kind
from outlast.settings import Settings
from outlast.store.sqlite import SqliteStore

BODY = b'{"kind":"add","spec":{"a":1,"b":2},"labels":{"team":"data"}}'
REQUESTS_MAX = 200_000
SERVERS = ("bare", "outlast", "starlette")

Server: TypeAlias = tuple[subprocess.Popen[bytes], int, dict[str, str]]
Found: TypeAlias = dict[tuple[str, str], list[tuple[float, float, float, float]]]


class Spec(msgspec.Struct):
    """Two numbers."""

    a: int
    b: int


async def add(spec: Spec, _context: object) -> int:
    """Add two numbers."""
    return spec.a + spec.b


def bare(answer: bytes) -> ASGIApp:
    """What uvicorn can do at most: read the body, answer a constant."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    body = {"type": "http.response.body", "body": answer}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            while (await receive()).get("more_body", False):
                pass
        await send(start)
        await send(body)

    return app


def starlette(engine: Engine, tokens: Tokens, table: Table) -> Starlette:
    """The same poll in the framework's own way: its router, request and response."""

    async def poll(request: Request) -> Response:
        text = request.headers["authorization"].partition(" ")[2]
        principal = await tokens.authenticate(text)
        operation = await engine.get(principal, request.path_params["ref"])
        return Response(encode(view(operation)), media_type="application/json")

    paths = list(dict.fromkeys(route.path for route in table.routes))
    return Starlette(routes=[Route(path, poll) for path in paths])


async def serve(name: str, folder: str, listener: socket.socket) -> None:
    """Serve one of the three, telling the target and the token on standard output."""
    store = SqliteStore(Path(folder) / "outlast.db", clock=system_clock)
    await store.open()
    hub = Hub(store.operations, 10_000)
    hub.open()
    kinds = {"add": Kind("add", spec=Spec, result=int, run=add, executor="inline")}
    settings = Settings()
    engine = Engine(store, kinds, hub=hub, limits=settings.limits, retention=settings.retention)
    tokens = Tokens(store)
    root = Principal(tenant="default", member="bench", role=Role.ROOT)
    await tokens.create_tenant(root, "default")
    _, text = await tokens.create(root, Role.ADMIN)

    async def ready() -> None:
        pass

    app = Site(
        Parts(engine=engine, tokens=tokens, settings=settings), ready=ready, version="bench"
    ).main
    created = await engine.submit(root, Wish(kind="add", spec=b'{"a":1,"b":2}'))
    shown = encode(view(created.operation))
    apps = {
        "bare": lambda: bare(shown),
        "outlast": lambda: app,
        "starlette": lambda: starlette(engine, tokens, app.table),
    }
    server = uvicorn.Server(server_config(apps[name]()))
    telling = {"target": f"/v1/operations/{created.operation.id}", "token": text}
    sys.stdout.write(json.dumps(telling) + "\n")
    sys.stdout.flush()
    await server.serve(sockets=[listener])
    hub.close()
    await store.close()


class Caller(asyncio.Protocol):
    """One connection: a request, its answer, the next request, until told to stop."""

    def __init__(self, request: bytes, done: Callable[["Caller"], None]) -> None:
        self._request = request
        self._done = done
        self._size = 0
        self._got = 0
        self._started = 0.0
        self.latencies: list[float] = []
        self.stopping = False

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if not self._got:
            head, mark, _ = data.partition(b"\r\n\r\n")
            if head[9:12] not in {b"200", b"202"} or not mark:
                raise RuntimeError(f"not an answer that counts: {data[:300]!r}")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._size = len(head) + 4 + int(length)
        self._got += len(data)
        if self._got >= self._size:
            self.latencies.append(perf_counter() - self._started)
            if self.stopping or len(self.latencies) > REQUESTS_MAX:
                self._transport.close()
                self._done(self)
            else:
                self._send()

    def _send(self) -> None:
        self._got = 0
        self._started = perf_counter()
        self._transport.write(self._request)


def cpu_seconds(pid: int) -> float:
    """How much processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(
    pid: int, port: int, request: bytes, *, connections: int, seconds: float
) -> tuple[float, float, float, float]:
    """Requests a second, their median and 99th percentile in ms, the server's CPU us for each."""
    loop = asyncio.get_running_loop()
    left = asyncio.Semaphore(0)
    callers = [Caller(request, lambda _: left.release()) for _ in range(connections)]
    started, used = perf_counter(), cpu_seconds(pid)
    for caller in callers:
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)
    await asyncio.sleep(seconds)
    for caller in callers:
        caller.stopping = True
    for _ in callers:
        await asyncio.wait_for(left.acquire(), 10)
    elapsed, used = perf_counter() - started, cpu_seconds(pid) - used
    latencies = sorted(latency for caller in callers for latency in caller.latencies)
    p50, p99 = (latencies[int(len(latencies) * share)] * 1000 for share in (0.5, 0.99))
    return len(latencies) / elapsed, p50, p99, used / len(latencies) * 1e6


def start(name: str, folder: str) -> Server:
    """A server in a process of its own: the process, its port, and what it told."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    command = [sys.executable, __file__, "--serve", name, folder, str(listener.fileno())]
    process = subprocess.Popen(command, pass_fds=[listener.fileno()], stdout=subprocess.PIPE)
    port = listener.getsockname()[1]
    listener.close()
    told = process.stdout.readline() if process.stdout is not None else b"{}"
    return process, port, json.loads(told)


def requests_for(told: dict[str, str]) -> dict[str, bytes]:
    """The two requests that are measured."""
    head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {told['token']}\r\nAccept: */*\r\n"
    get = f"GET {told['target']} HTTP/1.1\r\n{head}\r\n".encode()
    media = f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    return {"GET": get, "POST": f"POST /v1/operations HTTP/1.1\r\n{head}{media}".encode() + BODY}


async def measure(servers: dict[str, Server], arguments: argparse.Namespace) -> Found:
    """Every server in turn, `rounds` times; the numbers by (name, method)."""
    found: Found = {}
    for _ in range(arguments.rounds):
        for method in ("GET", "POST"):
            for name, (process, port, told) in servers.items():
                if method == "POST" and name == "starlette":
                    continue
                request = requests_for(told)[method]
                numbers = await load(
                    process.pid,
                    port,
                    request,
                    connections=arguments.connections,
                    seconds=arguments.seconds,
                )
                found.setdefault((name, method), []).append(numbers)
    return found


async def behind_watchers(server: Server, arguments: argparse.Namespace) -> None:
    """The poll again while so many others wait for a change."""
    process, port, told = server
    poll = requests_for(told)["GET"]
    wait = poll.replace(b" HTTP/1.1", b"?wait=60 HTTP/1.1", 1)
    waiting = []
    for _ in range(arguments.watchers):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(wait)
        waiting.append(writer)
    for watchers in (len(waiting), 0):
        rate, p50, p99, used = await load(
            process.pid,
            port,
            poll,
            connections=arguments.connections,
            seconds=arguments.seconds,
        )
        numbers = f"{rate:.0f} req/s, {p50:.2f} and {p99:.2f} ms, {used:.1f} us"
        print(f"GET  with {watchers:5} watchers: {numbers}")
        for writer in waiting:
            writer.close()
        await asyncio.sleep(1)


def report(found: Found) -> None:
    """Medians over the rounds, and what share of the bare application's rate each one has."""
    print(f"{'':16}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU us':>9}{'of bare':>9}   low-high")
    for (name, method), rounds in found.items():
        rate, p50, p99, used = (statistics.median(column) for column in zip(*rounds, strict=True))
        shares = [
            one[0] / other[0] for one, other in zip(rounds, found["bare", method], strict=True)
        ]
        share = statistics.median(shares)
        print(
            f"{method:5}{name:11}{rate:9.0f}{p50:9.2f}{p99:9.2f}{used:9.1f}{share:9.2f}"
            f"   {min(shares):.2f}-{max(shares):.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--watchers", type=int, default=900)
    parser.add_argument("--serve", nargs=3, metavar=("NAME", "FOLDER", "FD"))
    arguments = parser.parse_args()
    uvloop.install()
    if arguments.serve:
        name, folder, descriptor = arguments.serve
        asyncio.run(serve(name, folder, socket.socket(fileno=int(descriptor))))
        return
    with tempfile.TemporaryDirectory() as root:
        servers: dict[str, Server] = {}
        try:
            for name in SERVERS:
                folder = Path(root) / name
                folder.mkdir()
                servers[name] = start(name, os.fspath(folder))
            report(asyncio.run(measure(servers, arguments)))
            asyncio.run(behind_watchers(servers["outlast"], arguments))
        finally:
            for process, _, _ in servers.values():
                process.terminate()
                process.wait(20)


if __name__ == "__main__":
    main()
