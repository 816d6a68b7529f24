"""JSON_VALUE and JSON_EXISTS for paths of keys and indexes.

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
_NUMBERS = ("BIGINT", "UBIGINT", "DOUBLE")
_RETURNING = {
    "utf8": ("VARCHAR", ("VARCHAR", "BOOLEAN", "BIGINT", "UBIGINT")),
    "string": ("VARCHAR", ("VARCHAR", "BOOLEAN", "BIGINT", "UBIGINT")),
    "bool": ("BOOLEAN", ("BOOLEAN",)),
    "int64": ("BIGINT", ("BIGINT", "UBIGINT")),
    "uint64": ("UBIGINT", ("BIGINT", "UBIGINT")),
    "int32": ("INTEGER", ("BIGINT", "UBIGINT")),
    "double": ("DOUBLE", _NUMBERS),
}


def render_json_value(node: exp.Expr, scope: Scope) -> str:
    """JSON_VALUE without clauses but RETURNING: NULL for what is missing, null or not a scalar."""
    scope.only(node, "this", "path", "returning")
    value, path, guard = _parts(node, scope)
    returning = node.args.get("returning")
    name = returning.name if isinstance(returning, exp.Expr) else "Utf8"
    if name.lower() not in _RETURNING:
        raise scope.refuse(f"RETURNING {name}", "is not in the subset", node)
    target, types = _RETURNING[name.lower()]
    found = f"json_type({value}, {path})"
    listed = ", ".join(quote_text(kind) for kind in types)
    other = fail(f"JSON_VALUE found a value that is not a {name}")
    return (
        f"(CASE {guard}WHEN {found} IS NULL OR {found} IN ('NULL', 'OBJECT', 'ARRAY') THEN NULL"
        f" WHEN {found} IN ({listed}) THEN"
        f" TRY_CAST(json_extract_string({value}, {path}) AS {target}) ELSE {other} END)"
    )


def render_json_exists(node: exp.Expr, scope: Scope) -> str:
    """JSON_EXISTS without clauses; a key with the value null exists."""
    scope.only(node, "this", "path")
    value, path, guard = _parts(node, scope)
    return f"(CASE {guard}ELSE json_exists({value}, {path}) END)".replace(
        "(CASE ELSE", "(CASE WHEN FALSE THEN FALSE ELSE"
    )


def _parts(node: exp.Expr, scope: Scope) -> tuple[str, str, str]:
    path = node.args.get("path")
    text = scope.literal(path)[1:-1].replace("''", "'") if isinstance(path, exp.Literal) else ""
    match = _PATH.fullmatch(text)
    if match is None:
        advice = "is not in the subset: it takes keys and indexes, such as $.a.b[0]"
        raise scope.refuse(f"JSON path {text[:40]!r}", advice, node)
    value = scope.sql(node.this)
    lax = not (match["mode"] or "").startswith("strict")
    here, unsure = "$", []
    for key, index in _STEP.findall(match["steps"]):
        kind = f"json_type({value}, {quote_text(here)})"
        unsure.append(f"{kind} = 'ARRAY'" if key else f"{kind} <> 'ARRAY'")
        here += f'."{key}"' if key else f"[{index}]"
    trouble = fail("a lax JSON path met an array for a key, or no array for an index: use strict")
    guard = f"WHEN {' OR '.join(unsure)} THEN {trouble} " if lax and unsure else ""
    return value, quote_text(here), guard
