"""The server's settings, and the one limit that it lacks: on the size of a request's head."""

from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX: Final = 64 * 1024


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol, refusing request lines and headers that never end.

    httptools keeps a header until it is complete, however long it gets.
    """

    _head_bytes = 0
    _in_head = True

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        # What came with the last piece of the head may be body: only heads still open are judged.
        if self._in_head and self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The request's head is too large.")

    def on_message_begin(self) -> None:
        """See httptools."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._in_head = False
        super().on_headers_complete()


def server_config(app: ASGIApp, **changes: Any) -> uvicorn.Config:
    """How a listener of ours is served (decision 0002): one process, on the running loop.

    `changes` are fields of uvicorn's Config, such as host, port or fd.
    """
    settings: dict[str, Any] = {
        "http": BoundedHttp,
        "ws": "none",
        "lifespan": "off",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "timeout_keep_alive": 30,
        "proxy_headers": False,
    }
    return uvicorn.Config(app, **(settings | changes))
