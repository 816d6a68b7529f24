"""The use cases: submit, get, find, cancel, delete, retry, wait, watch; tokens and chores."""

from outlast.engine.access import Principal, Role, Verb
from outlast.engine.operations import Engine, Wish
from outlast.engine.watching import Hub

__all__ = ["Engine", "Hub", "Principal", "Role", "Verb", "Wish"]
