"""Renders calls by name: functions, aggregates, typed literals, lambdas, and CAST."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

from sqlglot import exp

from outlast.kinds.yql.aggregates import AGGREGATES, Aggregate, Call
from outlast.kinds.yql.building import Unfit
from outlast.kinds.yql.casts import CASTS, cast
from outlast.kinds.yql.duckdb_text import quote_name
from outlast.kinds.yql.functions import FUNCTIONS, call, key_of, moment_literal
from outlast.kinds.yql.json_paths import render_json_query
from outlast.kinds.yql.parsing import YdbLambdaBlock
from outlast.kinds.yql.scope import Function, Names, Scalar, Scope

_MOMENTS = {
    "date": re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    "datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII),
    "timestamp": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII),
}

HIGHER_ORDER: dict[str, str] = {
    "ListMap": "what a lambda makes of each item",
    "ListFilter": "the items for which a lambda is true",
}
"""The functions that take a lambda, with what they return."""

TYPED_LITERALS: dict[str, str] = {
    "Date": "a day, as in Date('2024-05-01')",
    "Datetime": "a second, as in Datetime('2024-05-01T12:00:00Z')",
    "Timestamp": "a microsecond, as in Timestamp('2024-05-01T12:00:00.5Z')",
    "String": "a string literal",
    "Utf8": "a string literal",
}
"""The literals that are written like calls."""


def render_call(node: exp.Expr, scope: Scope) -> str:
    """A call of anything by its name; the one place that decides whether a name is known."""
    scope.only(node, "this", "expressions")
    if not isinstance(node.this, str):
        raise scope.refuse("quoted function name", "is not supported: write it plainly", node)
    if node.this.startswith("$"):
        return _call_lambda(node, scope)
    key = key_of(node.this)
    if key in AGGREGATES:
        return render_aggregate(node, scope)
    if key in _SPECIAL:
        return _SPECIAL[key](node, scope)
    if key not in FUNCTIONS:
        raise scope.refuse(f"function {node.this}", "is not in the subset", node)
    arguments = [scope.sql(argument) for argument in node.expressions]
    try:
        return call(FUNCTIONS[key], arguments)
    except Unfit as unfit:
        raise scope.refuse(f"function {node.this}", str(unfit), node) from None


def _grouping(node: exp.Expr, scope: Scope) -> str:
    """GROUPING: a bit for each column, set where the row is a subtotal over it."""
    if not node.expressions or not all(isinstance(key, exp.Column) for key in node.expressions):
        raise scope.refuse("function GROUPING", "takes columns of GROUP BY", node)
    return f"GROUPING({', '.join(scope.sql(key) for key in node.expressions)})"


def render_aggregate(node: exp.Expr, scope: Scope, over: str = "", nulls: str = "") -> str:
    """A call of an aggregate, or of a window function where `over` is given."""
    aggregate = AGGREGATES.get(key_of(str(node.this)))
    construct = f"function {node.this}"
    if aggregate is None:
        raise scope.refuse(construct, "is not an aggregate or window function", node)
    if aggregate.window_only and not over:
        raise scope.refuse(construct, "needs OVER", node)
    if nulls and not aggregate.nulls:
        raise scope.refuse(construct, f"takes no{nulls}", node)
    arguments, distinct = _aggregate_arguments(node, aggregate, scope)
    if distinct and over:
        raise scope.refuse(construct, "takes no DISTINCT in a window", node)
    if not aggregate.arguments_min <= len(arguments) <= aggregate.arguments_max:
        raise scope.refuse(construct, "is called with too few or too many arguments", node)
    try:
        return f"({aggregate.build(Call(arguments, over, distinct, nulls))})"
    except Unfit as unfit:
        raise scope.refuse(construct, str(unfit), node) from None


def _aggregate_arguments(
    node: exp.Expr, aggregate: Aggregate, scope: Scope
) -> tuple[list[str], str]:
    (first, *rest) = node.expressions or [None]
    if isinstance(first, exp.Star):
        scope.only(first)
        if aggregate.name != "COUNT" or rest:
            raise scope.refuse(f"* in {aggregate.name}", "is for COUNT alone", node)
        return [], ""
    if isinstance(first, exp.Distinct):
        scope.only(first, "expressions")
        columns = first.expressions
        if not aggregate.distinct or len(columns) != 1 or not isinstance(columns[0], exp.Column):
            advice = "takes one column of an aggregate that knows it: use a subquery"
            raise scope.refuse(f"DISTINCT in {aggregate.name}", advice, node)
        return [scope.sql(columns[0])], "DISTINCT "
    if first is None:
        if aggregate.name == "COUNT":
            raise scope.refuse("function COUNT", "needs * or an argument", node)
        return [], ""
    return [scope.sql(argument) for argument in (first, *rest)], ""


def render_cast(node: exp.Expr, scope: Scope) -> str:
    """A CAST to one of the types of the subset."""
    scope.only(node, "this", "to")
    type_name = str(node.args["to"].args.get("kind"))
    known = {name.lower(): name for name in CASTS}
    sql = cast(scope.sql(node.this), known.get(type_name.lower(), type_name))
    if sql is None:
        raise scope.refuse(f"CAST to {type_name}", "is not in the subset", node.args["to"])
    return sql


def _typed_literal(node: exp.Expr, scope: Scope) -> str:
    name = str(node.this).lower()
    (first, *rest) = node.expressions or [None]
    if rest or not isinstance(first, exp.Literal) or not first.is_string:
        raise scope.refuse(f"{node.this}(...)", "takes one string literal: use CAST", node)
    quoted = scope.literal(first)
    if name in {"string", "utf8"}:
        return quoted
    text = quoted[1:-1]
    if _MOMENTS[name].fullmatch(text) is None or not _exists(text):
        raise scope.refuse(f"{node.this}(...)", f"cannot be {text[:40]!r}", node)
    return moment_literal(name, text)


def _exists(text: str) -> bool:
    """Whether a moment is in the calendar, and in the years that YQL's types cover."""
    try:
        if "T" in text:
            moment = datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC).date()
        else:
            moment = date.fromisoformat(text)
    except ValueError:
        return False
    return 1970 <= moment.year <= 2105  # noqa: PLR2004 - the years that YDB documents


def _call_lambda(node: exp.Expr, scope: Scope) -> str:
    name = str(node.this)
    meaning = scope.names.get(name[1:])
    if not isinstance(meaning, Function):
        raise scope.refuse(f"name {name}", "is not a lambda defined before its use", node)
    arguments = [Scalar(scope.sql(argument)) for argument in node.expressions]
    return _inline(meaning.tree, arguments, scope.with_names(meaning.names), node)


def _call_with_lambda(node: exp.Expr, scope: Scope) -> str:
    construct = f"function {node.this}"
    if len(node.expressions) != 2:  # noqa: PLR2004 - a list and a lambda
        raise scope.refuse(construct, "takes a list and a lambda", node)
    items, function = node.expressions
    inside = scope
    if isinstance(function, exp.Parameter):
        meaning = scope.named(function)
        if isinstance(meaning, Function):
            function, inside = meaning.tree, scope.with_names(meaning.names)
    if not isinstance(function, exp.Lambda):
        raise scope.refuse(construct, "takes a lambda as its second argument", node)
    # Numbered, so that an inner lambda can never hide the item of an outer one.
    item = quote_name(f"$item{next(scope.numbers)}")
    body = _inline(function, [Scalar(item)], inside, node)
    mapped = "list_transform" if key_of(str(node.this)) == "listmap" else "list_filter"
    return f"{mapped}({scope.sql(items)}, lambda {item}: {body})"


def _inline(tree: exp.Lambda, arguments: Sequence[Scalar], scope: Scope, node: exp.Expr) -> str:
    scope.only(tree, "this", "expressions")
    parameters = [parameter.name for parameter in tree.expressions]
    plain = all(
        isinstance(parameter, exp.Parameter) and not parameter.meta.get("optional")
        for parameter in tree.expressions
    )
    if not plain or len(parameters) != len(arguments) or len({*parameters}) != len(parameters):
        raise scope.refuse("lambda", f"takes {len(parameters)} plain arguments here", node)
    names: Names = {**scope.names, **dict(zip(parameters, arguments, strict=True))}
    body = tree.this
    if isinstance(body, YdbLambdaBlock):
        for assignment in body.expressions:
            name = assignment.alias.removeprefix("$")
            names = {**names, name: Scalar(scope.with_names(names).sql(assignment.this))}
        body = body.this
    return scope.with_names(names).sql(body)


_SPECIAL: Mapping[str, Callable[[exp.Expr, Scope], str]] = {
    **{name.lower(): _call_with_lambda for name in HIGHER_ORDER},
    **{name.lower(): _typed_literal for name in TYPED_LITERALS},
    "jsonquery": render_json_query,
    "grouping": _grouping,
}
"""The calls that look at the tree of their arguments."""
