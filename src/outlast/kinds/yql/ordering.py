"""Renders ORDER BY, with NULL where YQL has it: as the least of all values."""

from sqlglot import exp

from outlast.kinds.yql.scope import Scope


def render_order(node: exp.Expr, scope: Scope) -> str:
    """ORDER BY of a SELECT or of a window."""
    if not isinstance(node, exp.Order):
        raise scope.refuse("ASSUME ORDER BY", "is not supported: use ORDER BY", node)
    scope.only(node, "expressions")
    return "ORDER BY " + ", ".join(_ordered(item, scope) for item in node.expressions)


def _ordered(item: exp.Expr, scope: Scope) -> str:
    scope.only(item, "this", "desc", "nulls_first")
    if isinstance(item.this, exp.Literal):
        raise scope.refuse("ORDER BY with a number", "is not in YQL: name the column", item)
    direction = "DESC NULLS LAST" if item.args.get("desc") else "ASC NULLS FIRST"
    return f"{scope.sql(item.this)} {direction}"
