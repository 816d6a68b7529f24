"""The use cases: submit, get, find, cancel, delete, retry, wait, watch; tokens and chores."""

from outlast.engine.access import Principal, Role, Verb
from outlast.engine.operations import Engine
from outlast.engine.watching import Hub
from outlast.engine.wishes import Wish

__all__ = ["Engine", "Hub", "Principal", "Role", "Verb", "Wish"]
