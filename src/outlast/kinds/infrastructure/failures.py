"""Why a deployment failed, in words that hold no secret. Pure."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from outlast.kinds.infrastructure.stream import Diagnostic

Conceal: TypeAlias = Callable[[str], str]
"""Takes out of a text what must not be seen."""

_FRAME: Final = " \t\u2502\u2575\u2577"
_SHOWN_MAX: Final = 20
_TEXT_CHARS_MAX: Final = 1000
_VARIABLE: Final = re.compile(r'\s*variable "([^"]+)"')
_BAD_VALUE: Final = "Invalid value for"
_MENTIONED: Final = re.compile(r"\bvar\.([A-Za-z_][A-Za-z0-9_-]*)")


def describe(diagnostic: Diagnostic, conceal: Conceal) -> str:
    """A complaint in one line."""
    text = ": ".join(filter(None, (diagnostic.summary, diagnostic.detail)))
    where = f" ({diagnostic.address})" if diagnostic.address else ""
    return conceal(" ".join(text.split()) + where)[:_TEXT_CHARS_MAX]


def message_of(errors: Sequence[Diagnostic], conceal: Conceal, otherwise: str) -> str:
    """The first complaint, and how many more there are."""
    if not errors:
        return otherwise
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return describe(errors[0], conceal) + more


def plain_words(complaint: bytes, conceal: Conceal) -> str:
    """What the tool has written for people, in one line and without its frames."""
    lines = [line.strip(_FRAME) for line in complaint.decode(errors="replace").splitlines()]
    return conceal(" ".join(filter(None, lines)))[:_TEXT_CHARS_MAX]


def field_errors_of(errors: Sequence[Diagnostic], conceal: Conceal) -> dict[str, str]:
    """What is wrong with which variable."""
    found: dict[str, str] = {}
    for one in errors:
        about = one.snippet.context or one.snippet.code if one.snippet is not None else None
        match = _VARIABLE.match(about or "")
        if match is None and one.summary.startswith(_BAD_VALUE):
            values = one.snippet.values if one.snippet is not None else None
            mentioned = [one.detail, *(value.traversal for value in values or ())]
            match = _MENTIONED.search(" ".join(mentioned))
        if match:
            found[f"variables.{match[1]}"] = describe(one, conceal)
    return found


def details_of(errors: Sequence[Diagnostic], conceal: Conceal) -> dict[str, Any]:
    """The complaints one by one."""
    shown = [
        {
            "address": conceal(one.address),
            "summary": conceal(one.summary)[:_TEXT_CHARS_MAX],
            "detail": conceal(one.detail)[:_TEXT_CHARS_MAX],
            "file": one.range.filename if one.range is not None else "",
            "line": one.range.start.line if one.range is not None else 0,
        }
        for one in errors[:_SHOWN_MAX]
    ]
    return {"errors": shown, "errors_total": len(errors)}
