"""The second dialect: plain DuckDB SQL, held to one SELECT over the sources.

The text is parsed, checked against lists of what may occur, and written anew: what runs is what
was checked. Names of common table expressions are written with a prefix, so that a name used
outside of the scope of its WITH can never mean a view of the system or a file.
"""

import re
from collections.abc import Callable, Collection
from typing import ClassVar

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser

from outlast.kinds.yql import limits
from outlast.kinds.yql.plain_policy import (
    PLAIN_FUNCTIONS,
    PLAIN_NODES,
    PLAIN_PARTS_REFUSED,
    PLAIN_TYPES,
)
from outlast.kinds.yql.refusal import QueryRefused, refuse
from outlast.kinds.yql.scope import name_of, offset_of

DIALECT = "DuckDB SQL"

_PIECE = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>--[^\n]*)
  | (?P<block>/\*)
  | (?P<source>\{src_[0-9]+\})
  | (?P<string>'(?:[^']|'')*')
  | (?P<name>"(?:[^"]|"")+")
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>[0-9][0-9A-Za-z_.]*)
  | (?P<mark>[-+*/%(),.;=<>\[\]{}|&^~:!])
    """,
    re.VERBOSE | re.ASCII,
)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)


class PlainDuckDB(DuckDB):
    """DuckDB's dialect with every call left as it is written."""

    class Parser(DuckDBParser):
        """Leaves the meaning of function names to the policy."""

        FUNCTIONS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[TokenType, type[exp.Expr]]] = {}
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {
            "CASE": DuckDBParser.NO_PAREN_FUNCTION_PARSERS["CASE"],
        }
        FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {
            name: DuckDBParser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST", "EXTRACT")
        }


def check_duckdb(query: str, sources: int, databases: Collection[str] = ()) -> str:
    """The SQL to run for a query in plain DuckDB SQL, or `QueryRefused`.

    `{src_N}` becomes the quoted view name "src_N" for 0 <= N < sources. The tables of `databases`,
    which are lower-case names, are read as NAME.TABLE and NAME.SCHEMA.TABLE.
    """
    masked, places = _read(query)
    tree = _parse(query, masked)

    def refuse_node(construct: str, advice: str, node: exp.Expr) -> QueryRefused:
        return refuse(DIALECT, construct, advice, text=query, offset=offset_of(node))

    limits.check_tree(tree, lambda construct, advice: refuse_node(construct, advice, tree))
    for node in tree.walk():
        _check_node(node, refuse_node)
    _check_tables(tree, places, sources, databases, refuse_node)
    try:
        return str(
            tree.sql(
                dialect=PlainDuckDB,
                identify=True,
                comments=False,
                unsupported_level=ErrorLevel.RAISE,
            )
        )
    except (RecursionError, SqlglotError, ValueError):
        # An UnsupportedError too: nothing of the text may be left out on the way.
        raise refuse_node("query", "cannot be written anew: simplify it", tree) from None


def _read(query: str) -> tuple[str, dict[int, str]]:
    """The query with blank comments and quoted placeholders, and where the placeholders are."""

    def refuse_here(construct: str, advice: str, offset: int | None = None) -> QueryRefused:
        return refuse(DIALECT, construct, advice, text=query, offset=offset)

    limits.check_query_size(query, refuse_here)
    pieces: list[str] = []
    places: dict[int, str] = {}
    offset, before, depth = 0, "", 0
    while offset < len(query):
        match = _PIECE.match(query, offset)
        if match is None:
            construct = f"character {query[offset]!r}"
            raise refuse_here(construct, "has no meaning here, or opens what is not closed", offset)
        kind, text = match.lastgroup or "", match.group()
        if kind == "string" and before in {"word", "number", "string"}:
            raise refuse_here("string literal", "takes no prefix and no neighbour", offset)
        if kind == "block":
            end = query.find("*/", offset + 2)
            if end < 0 or "/*" in query[offset + 2 : end]:
                raise refuse_here("comment", "is not closed, or holds another one", offset)
            kind, text = "comment", query[offset : end + 2]
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(text, 0)
        if depth > limits.BRACKETS_MAX:
            raise refuse_here(f"bracket {text!r}", "is nested too deeply", offset)
        if kind == "source":
            places[offset] = text[1:-1]
        pieces.append(_masked(kind, text))
        before = kind
        offset += len(text)
    return "".join(pieces), places


def _masked(kind: str, text: str) -> str:
    if kind in {"comment", "space"}:
        return " " * len(text)
    return f'"{text[1:-1]}"' if kind == "source" else text


def _parse(query: str, masked: str) -> exp.Expr:
    first = re.compile(r"[A-Za-z_]*|\S").match(masked.lstrip())
    word = first.group().upper() if first else ""
    if word not in {"SELECT", "FROM", "WITH"} and not masked.lstrip().startswith("("):
        advice = "is not in the subset: a query starts with SELECT, FROM or WITH"
        start = len(masked) - len(masked.lstrip())
        raise refuse(DIALECT, f"statement {word}".strip(), advice, text=query, offset=start)
    try:
        trees = [tree for tree in sqlglot.parse(masked, dialect=PlainDuckDB) if tree is not None]
    except SqlglotError as error:
        details = (getattr(error, "errors", None) or [{}])[0]
        column = details.get("col")
        offset = max(column - len(details.get("highlight") or ""), 0) if column else 0
        raise refuse(DIALECT, "syntax", "is not understood", text=query, offset=offset) from None
    except RecursionError:
        raise refuse(DIALECT, "query", "is nested too deeply", text=query, offset=0) from None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        # The parser is not ours and trips over some malformed text instead of reporting it.
        raise refuse(DIALECT, "query", "cannot be parsed", text=query, offset=0) from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        advice = "is not one SELECT, which is all that may run"
        raise refuse(DIALECT, "statement", advice, text=query, offset=0)
    return trees[0]


RefuseNode = Callable[[str, str, exp.Expr], QueryRefused]


def _check_node(node: exp.Expr, refuse_node: RefuseNode) -> None:
    if type(node) not in PLAIN_NODES:
        raise refuse_node(name_of(node), "is not in the subset", node)
    for part in PLAIN_PARTS_REFUSED.get(type(node), ()):
        if node.args.get(part):
            what = f"{part.strip('_').upper()} of {name_of(node)}"
            raise refuse_node(what, "is not in the subset", node)
    if isinstance(node, exp.Anonymous):
        if not isinstance(node.this, str) or node.this.lower() not in PLAIN_FUNCTIONS:
            raise refuse_node(f"function {node.name[:60]}", "is not in the subset", node)
        if isinstance(node.parent, exp.Dot | exp.Table):
            advice = "may not be qualified, nor stand as a table"
            raise refuse_node(f"function {node.name[:60]}", advice, node)
    if isinstance(node, exp.DataType) and node.this not in PLAIN_TYPES:
        raise refuse_node(f"type {str(node.this)[:60]}", "is not in the subset", node)
    if isinstance(node, exp.Literal) and len(node.name) > limits.STRING_BYTES_MAX:
        raise refuse_node("literal", f"is longer than {limits.STRING_BYTES_MAX} bytes", node)


def _check_tables(
    tree: exp.Expr,
    places: dict[int, str],
    sources: int,
    databases: Collection[str],
    refuse_node: RefuseNode,
) -> None:
    """Let tables be sources, of databases, or common table expressions, which get safe names."""
    expressions = {found.alias.lower(): found for found in tree.find_all(exp.CTE)}
    for name, expression in expressions.items():
        if _PLAIN_NAME.fullmatch(name) is None:
            raise refuse_node(f"WITH {name[:60]}", "is not a plain name", expression)
    read: set[int] = set()
    for table in list(tree.find_all(exp.Table)):
        start = table.this.meta.get("start", -1) if isinstance(table.this, exp.Identifier) else -1
        qualified = table.args.get("db") or table.args.get("catalog")
        if start in places and not qualified:
            number = int(places[start].removeprefix("src_"))
            if number >= sources or places[start] != f"src_{number}":
                advice = f"has no source: the query was given {sources}, counted from 0"
                raise refuse_node(f"placeholder {{{places[start][:40]}}}", advice, table)
            read.add(start)
        elif (
            isinstance(table.this, exp.Identifier)
            and table.name.lower() in expressions
            and not qualified
        ):
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
            table.set("this", exp.to_identifier(f"with_{table.name.lower()}", quoted=True))
        elif qualified:
            _qualify(table, databases, refuse_node)
        else:
            advice = "is neither a source, as {src_0} is, nor a name of WITH"
            raise refuse_node(f"table {table.name[:60]}", advice, table)
    for expression in tree.find_all(exp.CTE):
        alias = expression.args["alias"]
        alias.set("this", exp.to_identifier(f"with_{expression.alias.lower()}", quoted=True))
    _check_placeholders(tree, places, read, refuse_node)


def _qualify(table: exp.Table, databases: Collection[str], refuse_node: RefuseNode) -> None:
    """Say in full in which database a table is, so that nothing else can be meant."""
    database = (table.catalog or table.db).lower()
    if database not in databases or not isinstance(table.this, exp.Identifier):
        named = ", ".join(sorted(databases)) or "none"
        advice = f"is not of a database that the query was given: {named}"
        raise refuse_node(f"table {table.name[:60]}", advice, table)
    table.set("db", exp.to_identifier(table.db if table.catalog else "main", quoted=True))
    table.set("catalog", exp.to_identifier(database, quoted=True))


def _check_placeholders(
    tree: exp.Expr, places: dict[int, str], read: set[int], refuse_node: RefuseNode
) -> None:
    for identifier in tree.find_all(exp.Identifier):
        start = identifier.meta.get("start", -1)
        if start in places and start not in read:
            advice = "may stand in FROM and JOIN only: give it an alias"
            raise refuse_node(f"placeholder {{{places[start][:40]}}}", advice, identifier)
