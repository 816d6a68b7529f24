"""What the names of a query mean at one place of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from sqlglot import exp

from outlast.kinds.yql.duckdb_text import quote_name
from outlast.kinds.yql.lexing import Document
from outlast.kinds.yql.parsing import YdbPostfixCall
from outlast.kinds.yql.refusal import QueryRefused


@dataclass(frozen=True, slots=True)
class Scalar:
    """A `$name` for an expression: its DuckDB text stands wherever the name does."""

    sql: str
    constant: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A `$name` for a subquery: a common table expression."""

    relation: str


@dataclass(frozen=True, slots=True)
class Function:
    """A `$name` for a lambda, with the names it was defined among."""

    tree: exp.Lambda
    names: "Names"


Names = dict[str, Scalar | Table | Function]


@dataclass(frozen=True, slots=True)
class Scope:
    """The document, its sources, and the names that are visible in one SELECT."""

    document: Document
    sources: int
    render_expression: Callable[[exp.Expr, "Scope"], str]
    render_query: Callable[[exp.Expr, "Scope"], str]
    names: Names = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    windows: dict[str, exp.Window] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=count)

    def sql(self, node: exp.Expr) -> str:
        """DuckDB's text for an expression."""
        return self.render_expression(node, self)

    def query(self, node: exp.Expr) -> str:
        """DuckDB's text for a subquery, without brackets."""
        return self.render_query(node, self.inner())

    def refuse(self, construct: str, advice: str, node: exp.Expr) -> QueryRefused:
        """The refusal of a construct at the place of its tree."""
        return self.document.refuse(construct, advice, offset_of(node))

    def inner(self) -> "Scope":
        """The scope of a subquery: all but the keys and windows of this SELECT."""
        return replace(self, keys={}, windows={})

    def with_names(self, names: Names) -> "Scope":
        """This scope with other names."""
        return replace(self, names=names)

    def named(self, node: exp.Expr) -> Scalar | Table | Function:
        """What a `$name` stands for."""
        name = node.name
        if name not in self.names:
            # The parser keeps no place for a name with $: the first one is where to look.
            places = (t.start for t in self.document.tokens.values() if t.text == f"${name}")
            construct, advice = f"name ${name}", "is not defined before its use"
            raise self.document.refuse(construct, advice, next(places, None))
        meaning = self.names[name]
        if isinstance(meaning, Table):
            self.used.add(meaning.relation)
        return meaning

    def literal(self, node: exp.Expr) -> str:
        """The DuckDB text of a literal: its token was read before the parser saw a mask."""
        token = self.document.tokens.get(node.meta.get("start", -1))
        if token is None or token.kind not in {"string", "number"}:
            raise self.refuse("literal", "is not written as one", node)
        return token.value

    def only(self, node: exp.Expr, *allowed: str) -> None:
        """Refuse a part of a tree that its renderer does not look at: nothing passes silently."""
        for part, value in node.args.items():
            if part not in allowed and value not in (None, False, []):
                what = part.strip("_").upper().replace("_", " ")
                raise self.refuse(f"{what} of {name_of(node)}", "is not supported here", node)

    def identifier(self, node: exp.Expr) -> str:
        """The quoted name that stands where an identifier was parsed."""
        token = self.document.tokens.get(node.meta.get("start", -1))
        if not isinstance(node, exp.Identifier) or token is None:
            raise self.refuse(f"name {node.name!r}", "is not written as a name", node)
        if token.kind == "source":
            advice = "may stand in FROM and JOIN only: give it an alias with AS"
            raise self.refuse(f"placeholder {token.text}", advice, node)
        if token.kind not in {"word", "name"}:
            raise self.refuse(f"name {token.text[:40]}", "is not written as a name", node)
        return quote_name(token.text.strip("`"))


def offset_of(node: exp.Expr) -> int | None:
    """Where a tree stands: its own place, the first one below it, or that of a parent."""
    here: exp.Expr | None = node
    while here is not None:
        starts = [found.meta["start"] for found in here.walk() if "start" in found.meta]
        if starts:
            return int(min(starts))
        here = here.parent
    return None


def name_of(node: exp.Expr) -> str:
    """What to call a kind of tree in a message, in the words of SQL."""
    if isinstance(node, YdbPostfixCall):
        return f"callable {node.this.name}(...)(...)"
    name = type(node).__name__.removeprefix("Ydb")
    return "".join(f" {letter}" if letter.isupper() else letter for letter in name).strip().upper()
