"""Why a deployment failed, in words that hold no secret. Pure."""

import re
from collections.abc import Sequence
from typing import Any, Final

from outlast.kinds.infrastructure.stream import Diagnostic
from outlast.operations.concealing import Concealer

_SHOWN_MAX: Final = 20
_TEXT_CHARS_MAX: Final = 1000
_VARIABLE: Final = re.compile(r'variable "([^"]+)"')
_BAD_VALUE: Final = "Invalid value for"
_MENTIONED: Final = re.compile(r"\bvar\.([A-Za-z_][A-Za-z0-9_-]*)")


def describe(diagnostic: Diagnostic, concealer: Concealer) -> str:
    """A complaint in one line."""
    text = ": ".join(filter(None, (diagnostic.summary, diagnostic.detail)))
    where = f" ({diagnostic.address})" if diagnostic.address else ""
    return concealer.text(" ".join(text.split()) + where)[:_TEXT_CHARS_MAX]


def message_of(errors: Sequence[Diagnostic], concealer: Concealer, otherwise: str) -> str:
    """The first complaint, and how many more there are."""
    if not errors:
        return otherwise
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return describe(errors[0], concealer) + more


def field_errors_of(errors: Sequence[Diagnostic], concealer: Concealer) -> dict[str, str]:
    """What is wrong with which variable."""
    found: dict[str, str] = {}
    for one in errors:
        context = one.snippet.context if one.snippet is not None else None
        match = _VARIABLE.fullmatch(context or "")
        if match is None and one.summary.startswith(_BAD_VALUE):
            match = _MENTIONED.search(one.detail)
        if match:
            found[f"variables.{match[1]}"] = describe(one, concealer)
    return found


def details_of(errors: Sequence[Diagnostic], concealer: Concealer) -> dict[str, Any]:
    """The complaints one by one."""
    shown = [
        {
            "address": one.address,
            "summary": concealer.text(one.summary)[:_TEXT_CHARS_MAX],
            "detail": concealer.text(one.detail)[:_TEXT_CHARS_MAX],
            "file": one.range.filename if one.range is not None else "",
            "line": one.range.start.line if one.range is not None else 0,
        }
        for one in errors[:_SHOWN_MAX]
    ]
    return {"errors": shown, "errors_total": len(errors)}
