"""The process that serves one model folder: `outlast.inference.local` starts it and talks to it.

It speaks OpenAI's API on the loopback interface, for who holds the key. One request generates at a
time; so many may wait, and the rest get 429. It ends when its standard input does.
"""

import asyncio
import hmac
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from outlast.inference.local import NOT_INSTALLED, LocalModelOrder, Started

_LISTEN_BACKLOG: Final = 128
_CONNECTIONS_MAX: Final = 1024


def main() -> NoReturn:
    """Read the order, load the model, say where it listens, and serve until the input ends."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=LocalModelOrder)
    # What libraries print must not be taken for our answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    try:
        listener = socket.create_server(("127.0.0.1", 0), backlog=_LISTEN_BACKLOG)
        app = build_local_app(order)
    except ImportError:
        started = Started(error=NOT_INSTALLED)
    except (OSError, ValueError) as error:
        # Whoever asked need not know where the folder is.
        told = str(error).replace(order.adapter or order.folder, "FOLDER")
        told = told.replace(order.folder, "FOLDER")
        started = Started(error=f"{type(error).__name__}: {told}")
    else:
        started = Started(port=listener.getsockname()[1])
    answers.buffer.write(msgspec.json.encode(started) + b"\n")
    answers.flush()
    if started.error is not None:
        os._exit(1)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        limit_concurrency=_CONNECTIONS_MAX,
    )
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
    os._exit(0)


def build_local_app(order: LocalModelOrder) -> ASGIApp:
    """The application, with the model loaded. Raises OSError, ValueError, ImportError."""
    # Slow, and not there without the extra.
    from outlast.inference.local_answers import Answers  # noqa: PLC0415
    from outlast.inference.local_model import LocalModel  # noqa: PLC0415

    adapter = None if order.adapter is None else Path(order.adapter)
    model = LocalModel(Path(order.folder), adapter)
    answers = Answers(model, order.name, tokens_max=order.tokens_max, waiting_max=order.waiting_max)
    routes = [
        Route("/v1/models", answers.models),
        Route("/v1/chat/completions", answers.chat, methods=["POST"]),
        Route("/v1/embeddings", answers.embeddings, methods=["POST"]),
    ]
    refusals: dict[Any, Any] = {404: _not_found, 405: _not_found}
    return _Guarded(Starlette(routes=routes, exception_handlers=refusals), order.key)


class _Guarded:
    """Lets in who has the key."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        given = dict(scope["headers"]).get(b"authorization", b"")
        if hmac.compare_digest(given, self._expected):
            await self._app(scope, receive, send)
        else:
            await refusal(401, "a valid key is needed")(scope, receive, send)


def refusal(status: int, message: str, code: str | None = None) -> Response:
    """An error as clients of this API expect it."""
    kind = "rate_limit_error" if status == 429 else "invalid_request_error"  # noqa: PLR2004
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    headers = {"retry-after": "1"} if status == 429 else None  # noqa: PLR2004
    return Response(msgspec.json.encode(body), status, headers, "application/json")


async def _not_found(request: Request, error: Exception) -> Response:
    _ = error
    return refusal(404, f"there is no {request.method} {request.url.path}")


def _leave_with_parent() -> None:
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(0)
