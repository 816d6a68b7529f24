"""Renders window functions.

YQL frames by ROWS only, also where none is written; DuckDB's default is RANGE, which would give
rows with equal keys the same running total.
"""

from sqlglot import exp

from outlast.kinds.yql.aggregates import AGGREGATES
from outlast.kinds.yql.calls import render_aggregate
from outlast.kinds.yql.functions import key_of
from outlast.kinds.yql.ordering import render_order
from outlast.kinds.yql.scope import Scope

_UNFRAMED = frozenset(
    {"rownumber", "rank", "denserank", "percentrank", "cumedist", "ntile", "lag", "lead"}
)


def render_window(node: exp.Expr, scope: Scope) -> str:
    """A call with OVER, by the definition that stands there or in WINDOW."""
    function, nulls = node.this, ""
    if isinstance(function, exp.IgnoreNulls | exp.RespectNulls):
        nulls = " IGNORE NULLS" if isinstance(function, exp.IgnoreNulls) else ""
        function = function.this
    if not isinstance(function, exp.Anonymous) or node.args.get("over") != "OVER":
        raise scope.refuse("OVER", "follows an aggregate or a window function only", node)
    definition = _definition(node, scope)
    key = key_of(str(function.this))
    if key not in AGGREGATES:
        raise scope.refuse(f"function {function.this}", "has no meaning with OVER", node)
    framed = key not in _UNFRAMED
    return render_aggregate(function, scope, f" OVER ({_window(definition, framed, scope)})", nulls)


def _definition(node: exp.Expr, scope: Scope) -> exp.Expr:
    alias = node.args.get("alias")
    if alias is None:
        scope.only(node, "this", "partition_by", "order", "spec", "over")
        return node
    scope.only(node, "this", "alias", "over")
    name = scope.identifier(alias)
    if name not in scope.windows:
        raise scope.refuse(f"window {name}", "is not defined in WINDOW", node)
    definition = scope.windows[name]
    scope.only(definition, "this", "partition_by", "order", "spec")
    return definition


def _window(definition: exp.Expr, framed: bool, scope: Scope) -> str:  # noqa: FBT001 - private
    parts = []
    partition, order = definition.args.get("partition_by"), definition.args.get("order")
    if partition:
        parts.append("PARTITION BY " + ", ".join(scope.sql(key) for key in partition))
    if order:
        parts.append(render_order(order, scope))
    if framed:
        parts.append(_frame(definition.args.get("spec"), bool(order), scope))
    return " ".join(parts)


def _frame(spec: exp.Expr | None, ordered: bool, scope: Scope) -> str:  # noqa: FBT001 - private
    if spec is None:
        end = "CURRENT ROW" if ordered else "UNBOUNDED FOLLOWING"
        return f"ROWS BETWEEN UNBOUNDED PRECEDING AND {end}"
    scope.only(spec, "kind", "start", "start_side", "end", "end_side")
    if str(spec.args.get("kind")).upper() != "ROWS":
        raise scope.refuse(f"{spec.args.get('kind')} frame", "is not in YQL: use ROWS", spec)
    start = _bound(spec, "start", scope)
    end = _bound(spec, "end", scope) if spec.args.get("end") else "CURRENT ROW"
    return f"ROWS BETWEEN {start} AND {end}"


def _bound(spec: exp.Expr, side: str, scope: Scope) -> str:
    value, direction = spec.args.get(side), spec.args.get(f"{side}_side")
    if value == "CURRENT ROW":
        return "CURRENT ROW"
    if direction not in {"PRECEDING", "FOLLOWING"}:
        raise scope.refuse("window frame", "needs PRECEDING or FOLLOWING", spec)
    if value == "UNBOUNDED":
        return f"UNBOUNDED {direction}"
    digits = scope.literal(value) if isinstance(value, exp.Literal) else ""
    if not digits.isdigit():
        raise scope.refuse("window frame", "takes integer literals as offsets", spec)
    return f"{digits} {direction}"
