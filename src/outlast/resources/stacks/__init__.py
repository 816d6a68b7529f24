"""Stacks: what a module of the settings has made, and the sealed state that tells of it."""

from outlast.resources.stacks.collecting import ModuleCollector, StateCollector
from outlast.resources.stacks.finding import FoundStack, find_stack, show_stack
from outlast.resources.stacks.library import CallNames, Stacks, StackWish
from outlast.resources.stacks.model import Drift, Output, Stack, StackDocument, Status, Word
from outlast.resources.stacks.modules import ModuleDocument, Variable
from outlast.resources.stacks.publishing import StackPublisher

__all__ = [
    "CallNames",
    "Drift",
    "FoundStack",
    "ModuleCollector",
    "ModuleDocument",
    "Output",
    "Stack",
    "StackDocument",
    "StackPublisher",
    "StackWish",
    "Stacks",
    "StateCollector",
    "Status",
    "Variable",
    "Word",
    "find_stack",
    "show_stack",
]
