"""What the tool says of itself, a line of JSON at a time. Pure.

Only the fields that are declared here are kept: others may tell what is secret.
"""

from typing import Final

import msgspec

LINE_BYTES_MAX: Final = 1024 * 1024


class StreamResource(msgspec.Struct, frozen=True):
    """Which resource a line is about."""

    addr: str = ""
    resource_type: str = ""
    resource_name: str = ""
    resource_key: str | int | None = None

    @property
    def name(self) -> str:
        """Its name in its module, with its key if it is one of several."""
        key = self.resource_key
        return self.resource_name if key is None else f"{self.resource_name}[{key}]"


class Change(msgspec.Struct, frozen=True):
    """What is planned, or was found to have been done by others."""

    resource: StreamResource
    action: str = ""


class Hook(msgspec.Struct, frozen=True):
    """What happens to a resource."""

    resource: StreamResource
    action: str = ""
    elapsed_seconds: float | None = None


class Counts(msgspec.Struct, frozen=True):
    """What a plan comes to, or what an apply has done."""

    add: int = 0
    change: int = 0
    remove: int = 0
    operation: str = ""


class Position(msgspec.Struct, frozen=True):
    """A place in a file."""

    line: int = 0


class Range(msgspec.Struct, frozen=True):
    """Where in the module a complaint is."""

    filename: str = ""
    start: Position = Position()


class SnippetValue(msgspec.Struct, frozen=True):
    """What a complaint is about, such as `var.nodes`; what it was is not kept."""

    traversal: str = ""


class Snippet(msgspec.Struct, frozen=True):
    """Which block a complaint is about, such as `variable "nodes"`: in words, or as its line."""

    context: str | None = None
    code: str | None = None
    values: tuple[SnippetValue, ...] | None = None


class Diagnostic(msgspec.Struct, frozen=True):
    """A complaint. Its texts are a provider's: they may quote what it was given."""

    severity: str = "error"
    summary: str = ""
    detail: str = ""
    address: str = ""
    range: Range | None = None
    snippet: Snippet | None = None


class Line(msgspec.Struct, frozen=True):
    """One line. What it is about depends on its type."""

    type: str = ""
    change: Change | None = None
    hook: Hook | None = None
    changes: Counts | None = None
    diagnostic: Diagnostic | None = None


def read_line(line: bytes) -> Line | None:
    """What a line says; None if it is none of the tool's."""
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError:
        return None


_decoder: Final = msgspec.json.Decoder(Line)
