"""From a YQL text to one DuckDB SELECT."""

from sqlglot import exp

from outlast.kinds.yql import limits
from outlast.kinds.yql.duckdb_text import quote_name
from outlast.kinds.yql.expressions import is_constant, render_expression
from outlast.kinds.yql.lexing import Document, Token, read_document
from outlast.kinds.yql.parsing import parse_statement
from outlast.kinds.yql.precedence import check_precedence
from outlast.kinds.yql.queries import render_query
from outlast.kinds.yql.scope import Function, Scalar, Scope, Table

_QUERY_STARTS = frozenset({"SELECT", "FROM", "("})
_FOREIGN_PAIRS = {
    ("NULLS", "FIRST"): "is not in YQL: NULL is the least value",
    ("NULLS", "LAST"): "is not in YQL: NULL is the least value",
    ("SELECT", "STREAM"): "is not in the subset",
    ("FROM", "ANY"): "is not in the subset: take one row of each key in a subquery",
    ("JOIN", "ANY"): "is not in the subset: take one row of each key in a subquery",
    ("NOTHING", "("): "is not in the subset: use NULL, or CAST(NULL AS ...)",
    ("IN", "COMPACT"): "is not in the subset: leave COMPACT out",
}


def translate(query: str, sources: int) -> str:
    """DuckDB SQL (one SELECT) for a query in the YQL subset, or `QueryRefused`.

    `{src_N}` becomes the quoted view name "src_N" for 0 <= N < sources.
    """
    document = read_document(query)
    _check_words(document)
    check_precedence(document)
    try:
        return _translate(document, sources)
    except RecursionError:
        raise document.refuse("expression", "is nested too deeply: simplify it", 0) from None


def _translate(document: Document, sources: int) -> str:
    *definitions, last = _statements(document)
    scope = Scope(document, sources, render_expression, render_query)
    relations: dict[str, str] = {}
    for statement in definitions:
        scope = _define(document, statement, scope, relations)
    _check_query_start(document, last[0])
    sql = scope.query(parse_statement(document, last[0].start, last[-1].end))
    used = [f"{name} AS ({body})" for name, body in relations.items() if name in scope.used]
    whole = f"WITH {', '.join(used)} {sql}" if used else sql
    limits.check_output(whole, document.refuse)
    return whole


def _check_words(document: Document) -> None:
    """Refuse words that the parser would read over, or read as a name."""
    before = ""
    for token in document.tokens.values():
        if (before, token.upper) in _FOREIGN_PAIRS:
            advice = _FOREIGN_PAIRS[before, token.upper]
            raise document.refuse(f"{before} {token.upper}", advice, token.start)
        if token.upper == "WITH":
            advice = "is not in the subset: use a named expression, $name = (SELECT ...)"
            raise document.refuse("WITH", advice, token.start)
        before = token.upper


def _statements(document: Document) -> list[list[Token]]:
    """The statements between semicolons, without the empty ones; the last one is the query."""
    statements: list[list[Token]] = [[]]
    braces = 0
    for token in document.tokens.values():
        braces += {"{": 1, "}": -1}.get(token.upper, 0)
        if token.upper == ";" and not braces:
            statements.append([])
        else:
            statements[-1].append(token)
    found = [statement for statement in statements if statement]
    if not found:
        raise document.refuse("query", "is empty: it needs a SELECT", 0)
    if len(found) > limits.STATEMENTS_MAX:
        advice = f"is one of more than {limits.STATEMENTS_MAX}"
        raise document.refuse("statement", advice, found[limits.STATEMENTS_MAX][0].start)
    for statement in found:
        if statement[0].kind != "parameter":
            _check_query_start(document, statement[0])
            if statement is not found[-1]:
                following = found[found.index(statement) + 1][0]
                advice = "stands after the query: one SELECT is the last statement"
                raise document.refuse("second statement", advice, following.start)
    return found


def _check_query_start(document: Document, first: Token) -> None:
    if first.kind == "parameter":
        advice = "ends the query: its last statement has to be a SELECT"
        raise document.refuse(f"named expression {first.text}", advice, first.start)
    if first.upper not in _QUERY_STARTS:
        construct = f"statement {first.text.upper()[:40]}"
        raise document.refuse(construct, "is not in the subset: only SELECT is", first.start)


def _define(
    document: Document, statement: list[Token], scope: Scope, relations: dict[str, str]
) -> Scope:
    name, *rest = statement
    if not rest or rest[0].upper != "=":
        advice = "is not a definition, as $name = expression is"
        raise document.refuse(f"statement {name.text}", advice, name.start)
    if len(rest) == 1:
        raise document.refuse(f"definition of {name.text}", "is empty", name.start)
    tree = parse_statement(document, rest[1].start, rest[-1].end)
    return scope.with_names({**scope.names, name.text[1:]: _meaning(tree, name, scope, relations)})


def _meaning(
    tree: exp.Expr, name: Token, scope: Scope, relations: dict[str, str]
) -> Scalar | Table | Function:
    if isinstance(tree, exp.Lambda):
        return Function(tree, scope.names)
    if isinstance(tree, exp.Query):
        # Numbered, because $x may be defined again, and DuckDB does not tell $x from $X.
        relation = quote_name(f"{name.text}#{len(relations)}")
        relations[relation] = scope.query(tree)
        return Table(relation)
    return Scalar(scope.sql(tree), constant=is_constant(tree, scope))
