"""What is found in evidence, and what is wrong with it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

from outlast.operations.errors import Fatal
from outlast.resources.evidence.model import EvidenceType

PROBLEMS_MAX: Final = 100
DEPTH_MAX: Final = 200
VERSION_CHARS_MAX: Final = 100
PATH_CHARS_MAX: Final = 1000
_MESSAGE_CHARS_MAX: Final = 500


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the bytes of the evidence; both count from 1."""

    line: int
    column: int


Locate: TypeAlias = Callable[[Collection[str]], Mapping[str, Location]]
"""Where values of a document are, by their JSON pointers; what it cannot tell is left out."""


class BadEvidence(Fatal):
    """The bytes cannot be read."""

    def __init__(self, message: str, location: Location | None = None) -> None:
        where, details = "", {}
        if location is not None:
            where = f"line {location.line}, column {location.column}: "
            details = {"line": location.line, "column": location.column}
        super().__init__("invalid_evidence", where + message[:_MESSAGE_CHARS_MAX], details=details)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the format of the evidence does not allow. `path` is a JSON pointer."""

    message: str
    path: str | None = None
    line: int | None = None
    column: int | None = None


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature of an envelope; `key` is the name of the configured key that it fits."""

    key: str | None
    key_id: str | None
    verified: bool
    reason: str | None = None


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement is about."""

    name: str
    digest: dict[str, str]


def nowhere(_: Collection[str]) -> Mapping[str, Location]:
    """For what stands nowhere in the bytes as it is."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Read:
    """A text as the values of JSON, and where each of them stands."""

    document: Any
    locate_all: Locate = nowhere
    is_yaml: bool = False


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """What evidence is. `wrappers` are what was opened to come to the document, outermost first."""

    type: EvidenceType
    document: Any
    version: str | None = None
    problems: Sequence[Problem] = ()
    signatures: Sequence[Signature] = ()
    wrappers: Sequence[str] = ()
    subjects: Sequence[Subject] = ()
    inventory: Mapping[str, Any] = field(default_factory=dict, repr=False)
    locate_all: Locate = field(default=nowhere, repr=False)

    def metadata(self) -> dict[str, Any]:
        """What policies are told beside the document."""
        return {
            "type": self.type,
            "version": self.version,
            "problems": msgspec.to_builtins(self.problems),
            "signatures": msgspec.to_builtins(self.signatures),
            "wrappers": list(self.wrappers),
            "subjects": msgspec.to_builtins(self.subjects),
            **self.inventory,
        }

    def locate(self, path: str) -> Location | None:
        """Where the value with this JSON pointer stands. For many, `locate_all` is faster."""
        return self.locate_all([path]).get(path)
