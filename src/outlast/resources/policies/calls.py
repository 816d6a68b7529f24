"""What is asked of a locked child about policies: plain structs, and the modules that it needs."""

from collections.abc import Mapping
from typing import Final

import msgspec

from outlast.resources.policies.format import PolicyDocument
from outlast.resources.policies.verdicts import PolicyError

MODULE: Final = "outlast.resources.policies.locked"
CHECK: Final = f"{MODULE}:check"
PACKAGES: Final = ("common-expression-language", "regopy")
"""Where the engines come from: another release may say something else."""

MEMORY_BYTES: Final = 3 * 1024**3
"""What evidence, and what one policy makes of it, may have.

The child that is asked has no limit of its own: an engine reserves hundreds of gigabytes of
addresses, and uses few of them. What it does is done in forks, which have this limit.
"""


class CheckArguments(msgspec.Struct, frozen=True, kw_only=True):
    """A policy to be checked: its texts, then its tests, each within so many seconds."""

    policy: PolicyDocument
    seconds: float


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a policy: an error in a text, or tests with what came of them."""

    error: PolicyError | None = None
    failures: Mapping[str, str] = {}
