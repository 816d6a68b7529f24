"""Renders expressions: each kind of tree that has an entry here, and no other."""

from collections.abc import Callable, Mapping

from sqlglot import exp

from outlast.kinds.yql import limits
from outlast.kinds.yql.calls import render_call, render_cast
from outlast.kinds.yql.duckdb_text import INTEGERS, MOMENTS, quote_text, unless
from outlast.kinds.yql.json_paths import render_json_exists, render_json_value
from outlast.kinds.yql.parsing import YdbJsonExists, YdbJsonValue
from outlast.kinds.yql.patterns import render_match
from outlast.kinds.yql.scope import Scalar, Scope, Table, name_of, offset_of
from outlast.kinds.yql.windows import render_window

Renderer = Callable[[exp.Expr, Scope], str]

_CHECKED = (exp.Literal, exp.Mul, exp.Div, exp.Mod)
_NUMERIC = (*_CHECKED, exp.Add, exp.Sub, exp.Neg)


def render_expression(node: exp.Expr, scope: Scope) -> str:
    """DuckDB's text for an expression, in brackets wherever it has more than one part."""
    renderer = _RENDERERS.get(type(node))
    if renderer is None:
        raise scope.refuse(name_of(node), "is not in the subset", node)
    sql = renderer(node, scope)
    limits.check_output(sql, lambda construct, advice: scope.refuse(construct, advice, node))
    return sql


def render_condition(node: exp.Expr, scope: Scope) -> str:
    """A condition of WHERE or HAVING, where NULL and false both mean that a row is dropped.

    Only here may IN ask a subquery: whether it answers NULL or false where the subquery holds
    NULL depends on a pragma in YQL, and only here, under AND and OR, makes no difference.
    """
    if isinstance(node, exp.And | exp.Or):
        scope.only(node, "this", "expression")
        word = "AND" if isinstance(node, exp.And) else "OR"
        left, right = (render_condition(side, scope) for side in (node.this, node.expression))
        return f"({left} {word} {right})"
    if isinstance(node, exp.Paren):
        scope.only(node, "this")
        return f"({render_condition(node.this, scope)})"
    if isinstance(node, exp.In) and _in_subquery(node, scope) is not None:
        return f"({scope.sql(node.this)} IN ({_in_subquery(node, scope)}))"
    sql = scope.sql(node)
    if isinstance(node, exp.Column | exp.Literal):
        others = f"typeof({sql}) NOT IN ('BOOLEAN', '\"NULL\"')"
        return unless(others, "a condition is a Bool: compare what is none", sql)
    return sql


def _in_subquery(node: exp.In, scope: Scope) -> str | None:
    query, field = node.args.get("query"), node.args.get("field")
    if isinstance(query, exp.Subquery):
        scope.only(node, "this", "query")
        scope.only(query, "this")
        return scope.query(query.this)
    if isinstance(field, exp.Parameter):
        meaning = scope.named(field)
        if isinstance(meaning, Table):
            scope.only(node, "this", "field")
            return _all_of(meaning)
    return None


def _all_of(table: Table) -> str:
    return f"SELECT * FROM {table.relation}"  # noqa: S608 - a name of ours, quoted


def is_constant(node: exp.Expr, scope: Scope) -> bool:
    """Whether an expression is known, and known not to be NULL, before any row is read."""
    match node:
        case exp.Literal() | exp.Boolean():
            return True
        case exp.Neg() | exp.Paren():
            return is_constant(node.this, scope)
        case exp.Anonymous():
            names = {"date", "datetime", "timestamp", "utf8", "string"}
            return str(node.this).lower() in names
        case exp.Parameter():
            meaning = scope.named(node)
            return isinstance(meaning, Scalar) and meaning.constant
        case _:
            return False


def _binary(operator: str) -> Renderer:
    def render(node: exp.Expr, scope: Scope) -> str:
        # Ours to drop: the parser's notes on division by zero, which we know for YQL.
        scope.only(node, "this", "expression", "safe", "typed")
        return f"({scope.sql(node.this)} {operator} {scope.sql(node.expression)})"

    return render


def _sum(operator: str) -> Renderer:
    def render(node: exp.Expr, scope: Scope) -> str:
        result = _binary(operator)(node, scope)
        sides = [side for side in (node.this, node.expression) if not _is_numeric(side)]
        # DuckDB counts days with Dates and integers; YQL knows Intervals only, which we do not.
        listed = ", ".join(quote_text(name) for name in MOMENTS)
        moments = " OR ".join(f"typeof({scope.sql(side)}) IN ({listed})" for side in sides)
        refusal = "dates and times with + or - are not supported: use DateTime functions"
        return unless(moments, refusal, result) if moments else result

    return render


def _is_numeric(node: exp.Expr) -> bool:
    while isinstance(node, exp.Paren):
        node = node.this
    return isinstance(node, _NUMERIC)


def _product(operator: str) -> Renderer:
    def render(node: exp.Expr, scope: Scope) -> str:
        product = _binary(operator)(node, scope)
        decimals = _decimals(node, scope)
        refusal = f"Decimal with {operator} is not supported: cast it to Double"
        return unless(decimals, refusal, product) if decimals else product

    return render


def _quotient(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this", "expression", "safe", "typed")
    left, right = scope.sql(node.this), scope.sql(node.expression)
    # DuckDB's // truncates integers as YQL does, but makes NULL of a Double divided by zero.
    whole, exact = f"{left} // {right}", f"{left} / {right}"
    listed = ", ".join(quote_text(name) for name in INTEGERS)
    refusal = quote_text("YQL subset: Decimal with / is not supported: cast it to Double")
    decimals = _decimals(node, scope) or "FALSE"
    key = (
        f"CASE WHEN {decimals} THEN {refusal}"
        f" WHEN typeof({left} + {right}) IN ({listed}) THEN 'whole' ELSE 'exact' END"
    )
    return f"struct_extract({{'whole': {whole}, 'exact': {exact}}}, {key})"


def _decimals(node: exp.Expr, scope: Scope) -> str:
    """Whether a side is a Decimal, which YQL rounds in its own way."""
    sides = [side for side in (node.this, node.expression) if not isinstance(side, _CHECKED)]
    return " OR ".join(f"typeof({scope.sql(side)}) LIKE 'DECIMAL%'" for side in sides)


def _exclusive_or(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this", "expression")
    return f"xor({scope.sql(node.this)}, {scope.sql(node.expression)})"


def _prefix(operator: str) -> Renderer:
    def render(node: exp.Expr, scope: Scope) -> str:
        scope.only(node, "this")
        return f"({operator} {scope.sql(node.this)})"

    return render


def _is(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this", "expression")
    if not isinstance(node.expression, exp.Null):
        raise scope.refuse("IS", "compares with NULL only", node)
    return f"({scope.sql(node.this)} IS NULL)"


def _in(node: exp.Expr, scope: Scope) -> str:
    if node.args.get("query") or node.args.get("field"):
        advice = (
            "may stand in WHERE or HAVING, and not under NOT, because its answer beside NULL"
            " depends on a pragma: use LEFT SEMI or LEFT ONLY JOIN"
        )
        raise scope.refuse("IN with a subquery or a list", advice, node)
    scope.only(node, "this", "expressions")
    if not node.expressions or not all(is_constant(item, scope) for item in node.expressions):
        raise scope.refuse("IN", "takes constants in brackets, none of them NULL", node)
    items = ", ".join(scope.sql(item) for item in node.expressions)
    return f"({scope.sql(node.this)} IN ({items}))"


def _between(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this", "low", "high")
    value, low, high = (scope.sql(node.args[part]) for part in ("this", "low", "high"))
    return f"({value} BETWEEN {low} AND {high})"


def _like(operator: str) -> Renderer:
    def render(node: exp.Expr, scope: Scope) -> str:
        scope.only(node, "this", "expression", "negate")
        word = f"NOT {operator}" if node.args.get("negate") else operator
        return f"({scope.sql(node.this)} {word} {scope.sql(node.expression)})"

    return render


def _escape(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this", "expression")
    mark = scope.literal(node.expression) if isinstance(node.expression, exp.Literal) else ""
    single = len(mark) == len("'!'") and mark[1] not in "%_\\"
    if not isinstance(node.this, exp.Like | exp.ILike) or not single:
        raise scope.refuse("ESCAPE", "takes one character that is not %, _ or \\", node)
    return f"({scope.sql(node.this)[1:-1]} ESCAPE {mark})"


def _concatenation(node: exp.Expr, scope: Scope) -> str:
    parts: list[exp.Expr] = []
    rest: exp.Expr = node
    while isinstance(rest, exp.DPipe):
        scope.only(rest, "this", "expression", "safe")
        parts.append(rest.expression)
        rest = rest.this
    operands = [scope.sql(part) for part in (rest, *reversed(parts))]
    # DuckDB makes text of numbers, and joins lists; YQL does neither.
    others = " OR ".join(
        f"typeof({operand}) NOT IN ('VARCHAR', 'BLOB', '\"NULL\"')"
        for operand in operands
        if not operand.startswith("'")
    )
    joined = f"({' || '.join(operands)})"
    return unless(others, "|| takes strings: cast what is none", joined) if others else joined


def _regexp(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this", "expression")
    whole = node.meta.get("ydb_regexp_function") == "Re2::Match"
    return render_match(node, whole, scope)


def _case(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this", "ifs", "default")
    parts = [f" {scope.sql(node.this)}"] if node.this else [""]
    for branch in node.args["ifs"]:
        scope.only(branch, "this", "true")
        parts.append(f"WHEN {scope.sql(branch.this)} THEN {scope.sql(branch.args['true'])}")
    if node.args.get("default") is None:
        tokens = scope.document.tokens.values()
        before = [t.start for t in tokens if t.upper == "CASE" and t.start < (offset_of(node) or 0)]
        advice = "is not in YQL: add ELSE NULL"
        raise scope.document.refuse("CASE without ELSE", advice, max(before, default=0))
    parts.append(f"ELSE {scope.sql(node.args['default'])}")
    return f"(CASE{' '.join(parts)} END)"


def _coalesce(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this", "expressions")
    return f"COALESCE({', '.join(scope.sql(part) for part in (node.this, *node.expressions))})"


def _column(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this", "table", "db")
    if isinstance(node.this, exp.Star):
        raise scope.refuse("*", "may stand alone in SELECT or COUNT only", node)
    parts = [node.args[part] for part in ("db", "table", "this") if node.args.get(part)]
    names = [scope.identifier(part) for part in parts]
    return scope.keys.get(names[0], names[0]) if len(names) == 1 else ".".join(names)


def _parameter(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this")
    match meaning := scope.named(node):
        case Scalar():
            return meaning.sql
        case Table():
            return f"({_all_of(meaning)})"
        case _:
            raise scope.refuse(f"lambda ${node.name}", "has to be called", node)


def _list(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "expressions", "value_constructor")
    return f"[{', '.join(scope.sql(item) for item in node.expressions)}]"


def _item(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this", "expressions")
    (place, *more) = node.expressions
    digits = scope.literal(place) if isinstance(place, exp.Literal) else ""
    if more or not digits.isdigit():
        raise scope.refuse("item access", "takes one integer literal, counting from 0", node)
    return f"list_extract({scope.sql(node.this)}, {int(digits) + 1})"


def _subquery(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this")
    return f"({scope.query(node.this)})"


def _exists(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this")
    return f"EXISTS ({scope.query(node.this)})"


def _constant(text: str) -> Renderer:
    return lambda _node, _scope: text


_RENDERERS: Mapping[type[exp.Expr], Renderer] = {
    exp.Literal: lambda node, scope: scope.literal(node),
    exp.Boolean: lambda node, _scope: "TRUE" if node.this else "FALSE",
    exp.Null: _constant("NULL"),
    exp.Column: _column,
    exp.Parameter: _parameter,
    exp.Paren: _prefix(""),
    exp.Neg: _prefix("-"),
    exp.BitwiseNot: _prefix("~"),
    exp.Not: _prefix("NOT"),
    exp.And: _binary("AND"),
    exp.Or: _binary("OR"),
    exp.Xor: _binary("<>"),
    exp.EQ: _binary("="),
    exp.NEQ: _binary("<>"),
    exp.LT: _binary("<"),
    exp.LTE: _binary("<="),
    exp.GT: _binary(">"),
    exp.GTE: _binary(">="),
    exp.NullSafeEQ: _binary("IS NOT DISTINCT FROM"),
    exp.NullSafeNEQ: _binary("IS DISTINCT FROM"),
    exp.Add: _sum("+"),
    exp.Sub: _sum("-"),
    exp.Mul: _product("*"),
    exp.Div: _quotient,
    exp.Mod: _product("%"),
    exp.DPipe: _concatenation,
    exp.BitwiseAnd: _binary("&"),
    exp.BitwiseOr: _binary("|"),
    exp.BitwiseXor: _exclusive_or,
    exp.Is: _is,
    exp.In: _in,
    exp.Between: _between,
    exp.Like: _like("LIKE"),
    exp.ILike: _like("ILIKE"),
    exp.Escape: _escape,
    exp.RegexpLike: _regexp,
    exp.Case: _case,
    exp.Coalesce: _coalesce,
    exp.Array: _list,
    exp.Bracket: _item,
    exp.Subquery: _subquery,
    exp.Exists: _exists,
    exp.Cast: render_cast,
    exp.Anonymous: render_call,
    exp.Window: render_window,
    YdbJsonValue: render_json_value,
    YdbJsonExists: render_json_exists,
}
