"""Renders REGEXP, RLIKE and MATCH, which YQL defines as Re2::Grep and Re2::Match.

A pattern of ASCII is matched there byte by byte, and any other one character by character, as
DuckDB matches them all. The two differ where a pattern counts what is not ASCII, as `.` does.
"""

import re

from sqlglot import exp

from outlast.kinds.yql.duckdb_text import fail
from outlast.kinds.yql.scope import Scalar, Scope

# One item that takes any byte, unless it takes any number of them: `.`, `[^a]`, `\\W` ...
_COUNTED = re.compile(
    r"\\[^WDSBPC]|\[(?!\^)(?:\\[^WDS]|[^\]\\])+\]"
    r"|(?P<any>\.|\[\^(?:\\.|[^\]\\])+\]|\\[WDSBPC])(?P<times>[*+]?)",
    re.DOTALL,
)


def render_match(node: exp.Expr, whole: bool, scope: Scope) -> str:  # noqa: FBT001 - one caller
    """The test of a text by a constant pattern; NULL does not match, as Re2's functions have it."""
    pattern = _pattern(node.expression, scope)
    if pattern is None:
        raise scope.refuse("REGEXP or MATCH", "takes a string literal, or a $name for one", node)
    value = scope.sql(node.this)
    function = "regexp_full_match" if whole else "regexp_matches"
    guard = ""
    if pattern.isascii() and _counts(pattern):
        trouble = fail(
            "REGEXP or MATCH with a pattern of ASCII counts bytes, and met text that is not ASCII"
        )
        guard = f" WHEN strlen({value}) <> length({value}) THEN {trouble}"
    matched = f"{function}({value}, {scope.sql(node.expression)})"
    return f"(CASE WHEN {value} IS NULL THEN FALSE{guard} ELSE {matched} END)"


def _pattern(node: exp.Expr, scope: Scope) -> str | None:
    if isinstance(node, exp.Parameter):
        meaning = scope.named(node)
        sql = meaning.sql if isinstance(meaning, Scalar) and meaning.constant else ""
    else:
        sql = scope.literal(node) if isinstance(node, exp.Literal) else ""
    return sql[1:-1].replace("''", "'") if sql.startswith("'") else None


def _counts(pattern: str) -> bool:
    """Whether a pattern says how many of any bytes there shall be."""
    return any(found["any"] and not found["times"] for found in _COUNTED.finditer(pattern))
