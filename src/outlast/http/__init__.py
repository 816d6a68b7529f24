"""The native HTTP API: an ASGI application over the engine."""

from outlast.http.app import build_http
from outlast.http.listening import server_config

__all__ = ["build_http", "server_config"]
