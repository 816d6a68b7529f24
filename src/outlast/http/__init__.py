"""The HTTP API, native and in dialects: ASGI applications over the engine."""

from outlast.http.app import Site
from outlast.http.listening import server_config
from outlast.http.parts import Parts

__all__ = ["Parts", "Site", "server_config"]
