"""JSON_VALUE, JSON_EXISTS and JSON_QUERY for paths of keys and indexes.

A lax path unpacks arrays and wraps other values on its way, which DuckDB's paths do not. A lax
path that meets such a value ends the query; `strict` never does either, and is always exact.
"""

import re

from sqlglot import exp

from outlast.kinds.yql.duckdb_text import fail, quote_text
from outlast.kinds.yql.scope import Scope

_PATH = re.compile(
    r"\s*(?P<mode>lax\s+|strict\s+)?\$(?P<steps>(?:\.[A-Za-z_][A-Za-z0-9_]*|\.\"[^\"\\]+\"|\[[0-9]{1,9}\])*)\s*",
    re.ASCII,
)
_STEP = re.compile(r"\.\"?([^\"\[.]+|[^\"]+)\"?|\[([0-9]+)\]")
_WHOLE = ("BIGINT", "UBIGINT")
_PLAIN_TEXT = ("VARCHAR", ("VARCHAR", "BOOLEAN", *_WHOLE), "DOUBLE")
# The type in DuckDB, the kinds of JSON that match it, and a kind whose conversion is doubtful.
_RETURNING = {
    "utf8": ("VARCHAR", ("VARCHAR",), None),
    "string": ("VARCHAR", ("VARCHAR",), None),
    "bool": ("BOOLEAN", ("BOOLEAN",), None),
    "int64": ("BIGINT", _WHOLE, "DOUBLE"),
    "uint64": ("UBIGINT", _WHOLE, "DOUBLE"),
    "int32": ("INTEGER", _WHOLE, "DOUBLE"),
    "double": ("DOUBLE", (*_WHOLE, "DOUBLE"), None),
}


def render_json_value(node: exp.Expr, scope: Scope) -> str:
    """JSON_VALUE without clauses but RETURNING.

    NULL for what is missing, null, no scalar or of another type: NULL ON EMPTY and NULL ON ERROR.
    """
    scope.only(node, "this", "path", "returning")
    value, path, guard = _parts(node.this, node.args.get("path"), node, scope)
    returning = node.args.get("returning")
    name = returning.name if isinstance(returning, exp.Expr) else ""
    if name and name.lower() not in _RETURNING:
        raise scope.refuse(f"RETURNING {name}", "is not in the subset", node)
    target, types, doubtful = _RETURNING[name.lower()] if name else _PLAIN_TEXT
    found = f"json_type({value}, {path})"
    listed = ", ".join(quote_text(kind) for kind in types)
    trouble = fail("JSON_VALUE met a number that is not whole: write RETURNING Double")
    doubt = f" WHEN {found} = {quote_text(doubtful)} THEN {trouble}" if doubtful else ""
    return (
        f"(CASE {guard}WHEN {found} IN ({listed}) THEN"
        f" TRY_CAST(json_extract_string({value}, {path}) AS {target}){doubt} END)"
    )


def render_json_query(node: exp.Expr, scope: Scope) -> str:
    """JSON_QUERY without clauses: an array or an object, and NULL for anything else."""
    if len(node.expressions) != 2:  # noqa: PLR2004 - a value and a path
        raise scope.refuse("JSON_QUERY", "takes a value and a path", node)
    document, place = node.expressions
    value, path, guard = _parts(document, place, node, scope)
    found = f"json_type({value}, {path})"
    return (
        f"(CASE {guard}WHEN {found} IN ('OBJECT', 'ARRAY') THEN json_extract({value}, {path}) END)"
    )


def render_json_exists(node: exp.Expr, scope: Scope) -> str:
    """JSON_EXISTS without clauses; a key with the value null exists."""
    scope.only(node, "this", "path")
    value, path, guard = _parts(node.this, node.args.get("path"), node, scope)
    return f"(CASE {guard}ELSE json_exists({value}, {path}) END)".replace(
        "(CASE ELSE", "(CASE WHEN FALSE THEN FALSE ELSE"
    )


def _parts(
    document: exp.Expr, path: exp.Expr | None, node: exp.Expr, scope: Scope
) -> tuple[str, str, str]:
    text = scope.literal(path)[1:-1].replace("''", "'") if isinstance(path, exp.Literal) else ""
    match = _PATH.fullmatch(text)
    if match is None:
        advice = "is not in the subset: it takes keys and indexes, such as $.a.b[0]"
        raise scope.refuse(f"JSON path {text[:40]!r}", advice, node)
    value = scope.sql(document)
    lax = not (match["mode"] or "").startswith("strict")
    here, unsure = "$", []
    for key, index in _STEP.findall(match["steps"]):
        kind = f"json_type({value}, {quote_text(here)})"
        unsure.append(f"{kind} = 'ARRAY'" if key else f"{kind} <> 'ARRAY'")
        here += f'."{key}"' if key else f"[{index}]"
    trouble = fail("a lax JSON path met an array for a key, or no array for an index: use strict")
    guard = f"WHEN {' OR '.join(unsure)} THEN {trouble} " if lax and unsure else ""
    return value, quote_text(here), guard
