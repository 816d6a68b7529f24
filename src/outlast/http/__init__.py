"""The HTTP API, native and in dialects: ASGI applications over the engine."""

from outlast.http.app import DIALECTS, Site
from outlast.http.listening import server_config
from outlast.http.parts import Parts
from outlast.http.profiles import Address, plan_addresses

__all__ = ["DIALECTS", "Address", "Parts", "Site", "plan_addresses", "server_config"]
