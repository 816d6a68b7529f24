"""What an attempt on a stack is given."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from outlast.resources.configured import InfrastructureDocument
from outlast.resources.stacks.model import ModulePin, Word

STATE_KEYS: Final = "state_keys"
"""The name of the secret that seals the states of the stack."""

VARIABLE: Final = "variable/"
ENVIRONMENT: Final = "environment/"
SECRETS: Final = (STATE_KEYS, f"{VARIABLE}*", f"{ENVIRONMENT}*")


class InfrastructurePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A stack, what it shall be made of, and what with.

    `stack` is empty for a plan of one that does not exist. `state` is what the adopted state is
    called. `secret_names` are the secret variables that it has: those that are not among the
    secrets of the attempt are kept with its state.
    """

    stack: str
    name: str
    word: Word
    module: ModulePin
    variables: Mapping[str, Any]
    secret_names: tuple[str, ...]
    connection: str | None
    state: str | None
    tool: InfrastructureDocument
    plain_environment: Mapping[str, str] = {}
    plan_only: bool = False

    @property
    def urn_prefix(self) -> str:
        """What the names of its resources begin with."""
        return f"urn:outlast:{self.word}:{self.stack or self.name}:"
