"""The native HTTP API: an ASGI application over the engine."""

from outlast.http.app import build_http
from outlast.http.listening import server_config
from outlast.http.parts import Parts

__all__ = ["Parts", "build_http", "server_config"]
