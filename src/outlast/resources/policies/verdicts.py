"""What an engine says of one policy and one document, before places are found for it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from outlast.resources.policies.format import SEVERITIES, Severity

VIOLATIONS_MAX: Final = 10_000
MESSAGE_CHARS_MAX: Final = 1000
PATH_CHARS_MAX: Final = 1000
KEYS_MAX: Final = 64


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy sees: the document, what was chosen, and what is known of the evidence."""

    document: Any
    args: Mapping[str, Any]
    evidence: Mapping[str, Any]


class PolicyError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a policy could not be evaluated. The line and column, from 1, are of its source.

    In CEL they are of the expression that `rule` names, such as `rules[0].check`. `is_certain` is
    False for what another attempt might not see: a limit on time or memory, or a death.
    """

    message: str
    line: int | None = None
    column: int | None = None
    rule: str | None = None
    is_certain: bool = True


class RawViolation(msgspec.Struct, frozen=True, kw_only=True):
    """A violation as a policy says it. `path` is a JSON pointer into the document."""

    message: str
    severity: Severity | None = None
    path: str | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a policy: an error, or skipped for a reason, or its violations, if any.

    `total` counts violations, of which no more than VIOLATIONS_MAX are told.
    """

    violations: tuple[RawViolation, ...] = ()
    total: int = 0
    is_skipped: bool = False
    skip_reason: str = ""
    error: PolicyError | None = None


class PolicyFailed(Exception):
    """The policy cannot be evaluated."""

    def __init__(self, error: PolicyError) -> None:
        super().__init__(error.message)
        self.error = error


class Position(NamedTuple):
    """A place in a text, from line 1, column 1."""

    line: int
    column: int


def position_at(text: str, offset: int) -> Position:
    """The place of the character at an offset."""
    before = text[: max(0, offset)]
    return Position(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def shortened(text: str, chars_max: int = MESSAGE_CHARS_MAX) -> str:
    """The text, or its beginning and three dots."""
    return text if len(text) <= chars_max else text[: chars_max - 3] + "..."


def raw_violation(value: object) -> RawViolation | None:
    """A violation from what a policy gave for one: a text or an object. None: it is neither."""
    if isinstance(value, str):
        return RawViolation(message=shortened(value))
    if not isinstance(value, dict):
        return None
    message = value.get("message", value.get("msg"))
    if not isinstance(message, str):
        return None
    severity = value.get("severity")
    known = [one for one in SEVERITIES if one == str(severity).lower()]
    return RawViolation(
        message=shortened(message),
        severity=known[0] if known else None,
        path=pointer_of(value.get("path")),
    )


def pointer_of(path: object) -> str | None:
    """A JSON pointer from one, or from a list of keys; None where it is neither."""
    if isinstance(path, str) and (not path or path.startswith("/")):
        return path if len(path) <= PATH_CHARS_MAX else None
    if isinstance(path, Sequence) and not isinstance(path, str) and len(path) <= KEYS_MAX:
        keys = [f"{key:g}" if isinstance(key, float) else str(key) for key in path]
        return pointer_of("".join("/" + one.replace("~", "~0").replace("/", "~1") for one in keys))
    return None
