"""A double of an OpenAI-compatible server: small, faithful in its shapes, faulty on demand.

It is no model: a chat answers with the last message read backwards, an embedding is three numbers
made of its text. What it is good for: it counts every request by its content, so that a test can
prove that a row was paid for once, and it fails in the ways in which real endpoints fail.

    with ModelDouble() as double:
        double.fault = lambda request: SLOW_DOWN if request.number == 1 else None
        ...  double.url, double.seen["hello"], double.peak

As a script it answers at once, for benchmarks: `python model_double.py [PORT]` prints its URL.
"""

import asyncio
import hashlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Slow Down"}


@dataclass(frozen=True)
class Request:
    """A request as a rule sees it. `number` counts all requests from 1; `text` is its content."""

    number: int
    path: str
    body: dict[str, Any]
    text: str
    attempt: int
    headers: dict[str, str]


@dataclass(frozen=True)
class Fault:
    """How to fail. `retry_after` is the header as it stands: seconds, or a date.

    `reset` hangs up before the answer, `truncated` in the midst of it (a stream: after `chunks`
    chunks), `garbage` answers 200 with what is no JSON. `seconds` is how long to wait first; with
    nothing else the request is merely slow.
    """

    status: int = 200
    retry_after: str | None = None
    kind: Literal["status", "reset", "truncated", "garbage", "error_chunk"] = "status"
    chunks: int = 1
    seconds: float = 0
    message: str = "the double was told to fail"
    code: str | None = None


class ModelDouble:
    """The server, on a loop of its own in a thread. `key` is the bearer key that it asks for."""

    def __init__(self, *, models: tuple[str, ...] = ("double",), key: str | None = None) -> None:
        self.models = models
        self.key = key
        self.fault: Callable[[Request], Fault | None] = lambda _: None
        self.answer: Callable[[Request], bytes] = _good_answer
        self.seen: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.requests: list[Request] = []
        self.peak = 0
        self.connections = 0
        self.keeps_requests = True
        self._busy = 0
        self._number = 0
        self._ready = threading.Event()

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(0)), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def run(self, port: int) -> None:
        """Serve until interrupted, with no memory of what was asked."""
        self.keeps_requests = False
        asyncio.run(self._serve(port))

    async def _serve(self, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, limit=1 << 26)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        if not self.keeps_requests:
            print(self.url, flush=True)  # noqa: T201  how who started it learns the port
        await self._stop.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        path = target.partition("?")[0]
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            return _answer(writer, 401, _error("Incorrect API key provided", "invalid_api_key"))
        if method == "GET" and path == "/v1/models":
            return _answer(writer, 200, self._models())
        body = json.loads(content)
        request = self._count(path, body, headers)
        self._busy += 1
        self.peak = max(self.peak, self._busy)
        try:
            return await self._respond(writer, request)
        finally:
            self._busy -= 1

    def _count(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Request:
        text = _text(body)
        self._number += 1
        if not self.keeps_requests:
            return Request(self._number, path, body, text, 1, headers)
        self.seen[text] += 1
        request = Request(self._number, path, body, text, self.seen[text], headers)
        self.requests.append(request)
        return request

    async def _respond(self, writer: asyncio.StreamWriter, request: Request) -> bool:
        fault = self.fault(request)
        if fault is not None and fault.seconds:
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind == "reset":
            writer.transport.abort()
            return False
        if fault is not None and (fault.kind == "garbage" or fault.status != 200):
            return _fail(writer, fault)
        if request.body.get("model") not in self.models:
            text = f"The model `{request.body.get('model')}` does not exist"
            return _answer(writer, 404, _error(text, "model_not_found"))
        if self.keeps_requests:
            self.answered[request.text] += 1
        if request.body.get("stream"):
            return await _stream(writer, request, fault)
        answer = self.answer(request)
        if fault is not None and fault.kind == "truncated":
            writer.write(_head(200, len(answer)) + answer[: len(answer) // 2])
            await writer.drain()
            return False
        return _answer(writer, 200, answer)

    def _models(self) -> bytes:
        data = [
            {"id": model, "object": "model", "created": 1_700_000_000, "owned_by": "double"}
            for model in self.models
        ]
        return json.dumps({"object": "list", "data": data}).encode()


def _fail(writer: asyncio.StreamWriter, fault: Fault) -> bool:
    if fault.kind == "garbage":
        return _answer(writer, 200, b"<html>this is no JSON")
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return _answer(writer, fault.status, _error(fault.message, fault.code), headers)


def _text(body: dict[str, Any]) -> str:
    """What a request is about: its last message, or its input."""
    if messages := body.get("messages"):
        content = messages[-1].get("content")
        return content if isinstance(content, str) else json.dumps(content)
    given = body.get("input", "")
    return given if isinstance(given, str) else json.dumps(given)


def reply_to(text: str) -> str:
    """What the double answers to a message."""
    return text[::-1]


def _good_answer(request: Request) -> bytes:
    return _embedding(request) if request.path == "/v1/embeddings" else _completion(request)


def _usage(request: Request) -> dict[str, int]:
    prompt = len(json.dumps(request.body.get("messages", request.body.get("input", "")))) // 4
    completion = len(request.text) // 4 + 1
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _completion(request: Request) -> bytes:
    return json.dumps(
        {
            "id": f"chatcmpl-{request.number}",
            "object": "chat.completion",
            "created": int(time.time()),  # noqa: TID251  what a real server says
            "model": request.body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": reply_to(request.text)},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": _usage(request),
        }
    ).encode()


def _embedding(request: Request) -> bytes:
    given = request.body.get("input", "")
    texts = given if isinstance(given, list) else [given]
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": [byte / 255 for byte in hashlib.sha256(str(text).encode()).digest()[:3]],
        }
        for index, text in enumerate(texts)
    ]
    usage = {name: _usage(request)[name] for name in ("prompt_tokens", "total_tokens")}
    answer = {"object": "list", "data": data, "model": request.body["model"], "usage": usage}
    return json.dumps(answer).encode()


async def _stream(writer: asyncio.StreamWriter, request: Request, fault: Fault | None) -> bool:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": letter} for letter in reply_to(request.text)]
    for number, delta in enumerate([*deltas, {}]):
        if fault is not None and number == fault.chunks:
            if fault.kind == "truncated":
                await writer.drain()
                writer.transport.abort()
                return False
            if fault.kind == "error_chunk":
                _event(writer, json.loads(_error(fault.message, fault.code)))
                break
        _event(writer, _chunk(request, delta, "stop" if number == len(deltas) else None))
        await writer.drain()
    else:
        if (request.body.get("stream_options") or {}).get("include_usage"):
            _event(writer, _chunk(request, None, None) | {"usage": _usage(request)})
    data = b"data: [DONE]\n\n"
    writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
    await writer.drain()
    return True


def _chunk(request: Request, delta: dict[str, Any] | None, reason: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {
        "id": f"chatcmpl-{request.number}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),  # noqa: TID251  what a real server says
        "model": request.body["model"],
        "choices": [] if delta is None else [choice],
    }


def _event(writer: asyncio.StreamWriter, document: dict[str, Any]) -> None:
    data = b"data: " + json.dumps(document).encode() + b"\n\n"
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))


def _error(message: str, code: str | None = None) -> bytes:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return json.dumps({"error": error}).encode()


def _head(status: int, size: int, headers: dict[str, str] | None = None) -> bytes:
    extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    reason = REASONS.get(status, "Error")
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {size}\r\nX-Request-Id: req-double\r\n{extra}\r\n"
    ).encode()


def _answer(
    writer: asyncio.StreamWriter,
    status: int,
    content: bytes,
    headers: dict[str, str] | None = None,
) -> bool:
    writer.write(_head(status, len(content), headers) + content)
    return True


if __name__ == "__main__":
    ModelDouble().run(int(sys.argv[1]) if sys.argv[1:] else 0)
