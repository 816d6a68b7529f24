"""Renders JOIN: the kinds that have an exact counterpart, with conditions of equality."""

from dataclasses import dataclass

from sqlglot import exp

from outlast.kinds.yql.scope import Scope

_KINDS = {
    ("", ""): "INNER JOIN",
    ("", "INNER"): "INNER JOIN",
    ("LEFT", ""): "LEFT JOIN",
    ("LEFT", "OUTER"): "LEFT JOIN",
    ("RIGHT", ""): "RIGHT JOIN",
    ("RIGHT", "OUTER"): "RIGHT JOIN",
    ("FULL", ""): "FULL JOIN",
    ("FULL", "OUTER"): "FULL JOIN",
    ("", "CROSS"): "CROSS JOIN",
    ("LEFT", "SEMI"): "SEMI JOIN",
    ("LEFT", "ONLY"): "ANTI JOIN",
    ("RIGHT", "SEMI"): "SEMI JOIN",
    ("RIGHT", "ONLY"): "ANTI JOIN",
}


@dataclass(frozen=True, slots=True)
class Joined:
    """A table of FROM or JOIN: its text, and the quoted name by which its columns are known."""

    sql: str
    name: str | None


def render_joins(first: Joined, joins: list[exp.Join], tables: list[Joined], scope: Scope) -> str:
    """FROM's first table with all that is joined to it."""
    sql = first.sql
    for join, table in zip(joins, tables, strict=True):
        scope.only(join, "this", "side", "kind", "on", "using")
        key = (join.side.upper(), join.kind.upper())
        if key not in _KINDS:
            words = " ".join(filter(None, key))
            raise scope.refuse(f"{words} JOIN".strip(), "is not in the subset", join)
        swapped = key in {("RIGHT", "SEMI"), ("RIGHT", "ONLY")}
        if swapped and len(joins) > 1:
            raise scope.refuse(f"RIGHT {key[1]} JOIN", "may be the only JOIN", join)
        left, right = (table.sql, sql) if swapped else (sql, table.sql)
        sql = f"{left} {_KINDS[key]} {right}{_condition(join, first, table, scope)}"
        if join.args.get("using") and len(joins) > 1:
            raise scope.refuse("USING", "is for a single JOIN: use ON", join)
    return sql


def _condition(join: exp.Join, first: Joined, table: Joined, scope: Scope) -> str:
    on, using = join.args.get("on"), join.args.get("using")
    if join.kind.upper() == "CROSS":
        if on or using:
            raise scope.refuse("CROSS JOIN", "takes no condition", join)
        return ""
    if using:
        if not first.name or not table.name:
            raise scope.refuse("USING", "needs an alias for each table", join)
        # Each side keeps its own column, as in YQL: an unqualified name would be ambiguous.
        columns = [scope.identifier(column) for column in using]
        pairs = (f"{first.name}.{column} = {table.name}.{column}" for column in columns)
        return f" ON {' AND '.join(pairs)}"
    if on is None:
        raise scope.refuse("JOIN without ON", "is not in the subset: write CROSS JOIN", join)
    return f" ON {_equalities(on, scope)}"


def _equalities(node: exp.Expr, scope: Scope) -> str:
    if isinstance(node, exp.And):
        return f"{_equalities(node.this, scope)} AND {_equalities(node.expression, scope)}"
    if isinstance(node, exp.Paren):
        return f"({_equalities(node.this, scope)})"
    if not isinstance(node, exp.EQ):
        raise scope.refuse("JOIN ... ON", "takes equalities joined by AND only", node)
    return scope.sql(node)
