"""Renders SELECT and what it is made of: tables, joins, groups, unions."""

from dataclasses import replace

from sqlglot import exp

from outlast.kinds.yql.duckdb_text import fail, quote_name
from outlast.kinds.yql.expressions import render_condition
from outlast.kinds.yql.joins import Joined, render_joins
from outlast.kinds.yql.ordering import render_order
from outlast.kinds.yql.parsing import FlattenBy
from outlast.kinds.yql.scope import Scope, Table, name_of

_SELECT_PARTS = ("expressions", "from_", "joins", "where", "group", "having", "windows", "order")


def render_query(node: exp.Expr, scope: Scope) -> str:
    """DuckDB's text for a query, without brackets around it."""
    match node:
        case exp.Select():
            return _select(node, scope)
        case exp.Union():
            return _union(node, scope)
        case exp.Subquery():
            scope.only(node, "this")
            return render_query(node.this, scope)
        case _:
            raise scope.refuse(name_of(node), "is not a query of the subset", node)


def _union(node: exp.Union, scope: Scope) -> str:
    for part, words in (("order", "ORDER BY"), ("limit", "LIMIT"), ("offset", "OFFSET")):
        if node.args.get(part):
            advice = "after UNION is not supported: SELECT from the union as a subquery"
            raise scope.refuse(words, advice, node.args[part])
    scope.only(node, "this", "expression", "distinct")
    # YQL matches the columns of a union by name.
    word = "UNION" if node.args.get("distinct") else "UNION ALL"
    sides = [render_query(side, scope) for side in (node.this, node.expression)]
    return f"({sides[0]}) {word} BY NAME ({sides[1]})"


def _select(node: exp.Select, outer: Scope) -> str:
    outer.only(node, *_SELECT_PARTS, "distinct", "limit", "offset")
    if not node.expressions:
        raise outer.refuse("SELECT", "needs at least one column", node)
    scope = _scope_of(node, outer)
    if node.args.get("distinct"):
        scope.only(node.args["distinct"])
    columns = _columns(node, scope)
    parts = ["SELECT DISTINCT" if node.args.get("distinct") else "SELECT"]
    parts.append(", ".join(sql for sql, _alias in columns))
    if node.args.get("from_"):
        parts.append(_from(node, scope))
    if where := node.args.get("where"):
        parts.append(f"WHERE {render_condition(where.this, scope)}")
    if node.args.get("group"):
        parts.append(_group(node, scope))
    if having := node.args.get("having"):
        parts.append(f"HAVING {render_condition(having.this, scope)}")
    if order := node.args.get("order"):
        aliases = {alias for _sql, alias in columns}
        keys = {name: sql for name, sql in scope.keys.items() if name not in aliases}
        parts.append(render_order(order, replace(scope, keys=keys)))
    parts += [_count(node, word, scope) for word in ("limit", "offset") if node.args.get(word)]
    return " ".join(parts)


def _scope_of(node: exp.Select, outer: Scope) -> Scope:
    """The scope of a SELECT: `GROUP BY expression AS name` names it everywhere in it."""
    windows: dict[str, exp.Window] = {}
    for window in node.args.get("windows") or []:
        windows[outer.identifier(window.this)] = window
    group = node.args.get("group")
    keys: dict[str, str] = {}
    for item in group.expressions if group else []:
        if isinstance(item, exp.Alias):
            keys[outer.identifier(item.args["alias"])] = outer.sql(item.this)
    return replace(outer, keys=keys, windows=windows)


def _columns(node: exp.Select, scope: Scope) -> list[tuple[str, str]]:
    """What is selected, each as DuckDB's text and the quoted name of the column."""
    columns: list[tuple[str, str]] = []
    names: set[str] = set()
    for place, item in enumerate(node.expressions):
        star = item.this if isinstance(item, exp.Column) else item
        if isinstance(star, exp.Star):
            columns.append((_star(item, star, node, scope), ""))
            continue
        sql, name = _column(item, place, scope)
        if name.lower() in names:
            advice = "is selected twice: columns are known by their names, so give one an alias"
            raise scope.refuse(f"column {name}", advice, item)
        names.add(name.lower())
        columns.append((f"{sql} AS {name}", name))
    if sum(1 for _sql, name in columns if not name) > 1:
        raise scope.refuse("second *", "may repeat a name: list the columns", node)
    return columns


def _column(item: exp.Expr, place: int, scope: Scope) -> tuple[str, str]:
    if isinstance(item, exp.Alias):
        scope.only(item, "this", "alias")
        return scope.sql(item.this), scope.identifier(item.args["alias"])
    if isinstance(item, exp.Column):
        return scope.sql(item), scope.identifier(item.this)
    return scope.sql(item), quote_name(f"column{place}")


def _star(item: exp.Expr, star: exp.Star, node: exp.Select, scope: Scope) -> str:
    scope.only(star, "except_")
    joined = [join for join in node.args.get("joins") or [] if join.kind not in {"SEMI", "ONLY"}]
    qualifier = ""
    if isinstance(item, exp.Column):
        scope.only(item, "this", "table")
        qualifier = f"{scope.identifier(item.args['table'])}."
    elif joined:
        advice = "over a JOIN may repeat a name: list the columns, or write alias.*"
        raise scope.refuse("SELECT *", advice, item)
    if node.args.get("group"):
        raise scope.refuse("SELECT *", "beside GROUP BY is not supported: list the keys", item)
    left_out = [_left_out(column, scope) for column in star.args.get("except_") or []]
    return f"{qualifier}*" + (f" EXCLUDE ({', '.join(left_out)})" if left_out else "")


def _left_out(column: exp.Expr, scope: Scope) -> str:
    if not isinstance(column, exp.Column):
        raise scope.refuse("WITHOUT", "takes names of columns", column)
    scope.only(column, "this", "table")
    return scope.identifier(column.this)


def _from(node: exp.Select, scope: Scope) -> str:
    scope.only(node.args["from_"], "this")
    first = _joined(node.args["from_"].this, scope)
    joins = node.args.get("joins") or []
    tables = [_joined(join.this, scope) for join in joins]
    return f"FROM {render_joins(first, joins, tables, scope)}"


def _joined(node: exp.Expr, scope: Scope) -> Joined:
    return Joined(render_table(node, scope), _table_name(node, scope))


def _table_name(node: exp.Expr, scope: Scope) -> str | None:
    if isinstance(node, FlattenBy):
        return _table_name(node.this, scope)
    if alias := node.args.get("alias"):
        return scope.identifier(alias.this)
    return _relation(node.this, scope) if isinstance(node, exp.Table) else None


def render_table(node: exp.Expr, scope: Scope) -> str:
    """A table of FROM or JOIN: a source, a named subquery, or a subquery."""
    if isinstance(node, FlattenBy):
        return _flatten(node, scope)
    if isinstance(node, exp.Subquery):
        scope.only(node, "this", "alias")
        return f"({scope.query(node.this)}){_alias(node, scope)}"
    if not isinstance(node, exp.Table):
        raise scope.refuse(name_of(node), "is not a table of the subset", node)
    relation = "" if node.args.get("db") else _relation(node.this, scope)
    if not relation:
        advice = "is not a source: write {src_0}, a $name or a subquery"
        raise scope.refuse(f"table {node.args['db'].name[:40]}.{node.name[:40]}", advice, node)
    scope.only(node, "this", "alias", "sample")
    sample = _sample(node.args["sample"], scope) if node.args.get("sample") else ""
    return f"{relation}{_alias(node, scope)}{sample}"


def _relation(node: exp.Expr, scope: Scope) -> str:
    if isinstance(node, exp.Parameter):
        meaning = scope.named(node)
        if isinstance(meaning, Table):
            return meaning.relation
        raise scope.refuse(f"name ${node.name}", "is not a subquery", node)
    token = scope.document.tokens.get(node.meta.get("start", -1))
    if not isinstance(node, exp.Identifier) or token is None or token.kind != "source":
        name = token.text if token else node.name
        advice = "is not a source: write {src_0}, a $name or a subquery"
        raise scope.refuse(f"table {name[:60]}", advice, node)
    number = int(token.text[len("{src_") : -1])
    if number >= scope.sources or token.text != f"{{src_{number}}}":
        advice = f"has no source: the query was given {scope.sources}, counted from 0"
        raise scope.refuse(f"placeholder {token.text[:40]}", advice, node)
    return quote_name(f"src_{number}")


def _alias(node: exp.Expr, scope: Scope) -> str:
    alias = node.args.get("alias")
    if alias is None:
        return ""
    scope.only(alias, "this")
    return f" AS {scope.identifier(alias.this)}"


def _sample(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "method", "percent", "size", "seed")
    method = node.args.get("method")
    if method is None or method.name.upper() != "BERNOULLI":
        raise scope.refuse("TABLESAMPLE", "knows BERNOULLI only", node)
    # SAMPLE counts in fractions and TABLESAMPLE in percent; the parser keeps them apart.
    fraction = node.args.get("percent") if node.meta.get("ydb_sample") else None
    size = _number(fraction if fraction is not None else node.args.get("size"), scope, node)
    percent = size * 100 if fraction is not None else size
    if not 0 <= percent <= 100:  # noqa: PLR2004 - per cent
        raise scope.refuse("sample size", "is not between nothing and all", node)
    seed = node.args.get("seed")
    repeatable = f" REPEATABLE ({int(_number(seed, scope, node))})" if seed else ""
    return f" TABLESAMPLE BERNOULLI ({percent!r} PERCENT){repeatable}"


def _number(node: exp.Expr | None, scope: Scope, place: exp.Expr) -> float:
    if isinstance(node, exp.Div):
        divisor = _number(node.expression, scope, place)
        if not divisor or "e" not in scope.literal(node.this) + scope.literal(node.expression):
            raise scope.refuse("sample size", "is not a quotient with a fraction", place)
        return _number(node.this, scope, place) / divisor
    if not isinstance(node, exp.Literal):
        raise scope.refuse("sample size", "takes a literal, or a quotient of two", place)
    try:
        return float(scope.literal(node))
    except ValueError:
        raise scope.refuse("sample size", "takes a plain number", node) from None


def _flatten(node: exp.Expr, scope: Scope) -> str:
    scope.only(node, "this", "expressions", "kind", "grouped")
    kind = node.args.get("kind")
    if kind not in {None, "LIST", "OPTIONAL"}:
        advice = "is not in the subset: only LIST and OPTIONAL are"
        raise scope.refuse(f"FLATTEN {kind} BY", advice, node)
    name = _table_name(node.this, scope)
    flat, made = render_table(node.this, scope), set[str]()
    for item in node.expressions:
        column = item.this if isinstance(item, exp.Alias) else item
        if not isinstance(column, exp.Column):
            raise scope.refuse("FLATTEN BY", "takes columns: use a subquery", node)
        source = scope.identifier(column.this)
        target = scope.identifier(item.args["alias"]) if isinstance(item, exp.Alias) else source
        if {source.lower(), target.lower()} & made:
            raise scope.refuse(f"FLATTEN BY {source}", "names a column twice", node)
        made |= {source.lower(), target.lower()}
        # One after the other: DuckDB would pair the items of two lists, YQL takes every pair.
        flat = f"({_flattened(flat, scope.sql(column), source, target, kind)})"
        flat = f"{flat} AS {name}" if name else flat
    return flat


def _flattened(table: str, values: str, source: str, target: str, kind: str | None) -> str:
    if kind == "OPTIONAL":
        star = "*" if target == source else f"*, {values} AS {target}"
        return f"SELECT {star} FROM {table} WHERE {values} IS NOT NULL"  # noqa: S608 - all ours
    if kind is None:
        # Without LIST, YQL would unpack an optional list only to the list itself.
        missing = fail("FLATTEN BY met NULL instead of a list: write FLATTEN LIST BY")
        values = f"CASE WHEN {values} IS NULL THEN {missing} ELSE {values} END"
    unpacked = f"unnest({values}) AS {target}"
    star = f"* REPLACE ({unpacked})" if target == source else f"*, {unpacked}"
    return f"SELECT {star} FROM {table}"  # noqa: S608 - all of it is ours


def _group(node: exp.Select, scope: Scope) -> str:
    group = node.args["group"]
    scope.only(group, "expressions", "rollup", "cube", "grouping_sets")
    keys = [item.this if isinstance(item, exp.Alias) else item for item in group.expressions]
    for key in keys:
        if isinstance(key, exp.Literal):
            raise scope.refuse("GROUP BY with a number", "is not in YQL: name the column", group)
    # A key is written with the columns of the table, never with the names of other keys.
    plain = replace(scope, keys={})
    parts = [plain.sql(key) for key in keys]
    for name, words in (("rollup", "ROLLUP"), ("cube", "CUBE"), ("grouping_sets", "GROUPING SETS")):
        for sets in group.args.get(name) or []:
            scope.only(sets, "expressions")
            items = ", ".join(_grouped(item, plain) for item in sets.expressions)
            parts.append(f"{words} ({items})")
    if not parts:
        raise scope.refuse("GROUP BY", "needs a key", group)
    return f"GROUP BY {', '.join(parts)}"


def _grouped(item: exp.Expr, scope: Scope) -> str:
    """A column of ROLLUP, CUBE or GROUPING SETS, or several of them in brackets."""
    if isinstance(item, exp.Paren | exp.Tuple):
        columns = [item.this] if isinstance(item, exp.Paren) else item.expressions
        return f"({', '.join(_grouped(column, scope) for column in columns)})"
    if not isinstance(item, exp.Column):
        raise scope.refuse("ROLLUP, CUBE or GROUPING SETS", "takes columns", item)
    return scope.sql(item)


def _count(node: exp.Select, word: str, scope: Scope) -> str:
    part = node.args[word]
    scope.only(part, "expression")
    digits = scope.sql(part.expression)
    if not digits.isdigit():
        raise scope.refuse(word.upper(), "takes an integer literal, or a $name for one", part)
    return f"{word.upper()} {digits}"
