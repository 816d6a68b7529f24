"""Connections: what is known of a provider, and whether it can be reached with it."""

from outlast.resources.connections.finding import FoundConnection, find_any, find_connection
from outlast.resources.connections.library import ConnectionChange, Connections
from outlast.resources.connections.model import Connection

__all__ = [
    "Connection",
    "ConnectionChange",
    "Connections",
    "FoundConnection",
    "find_any",
    "find_connection",
]
