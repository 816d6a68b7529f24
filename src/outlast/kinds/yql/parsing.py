"""Parses single statements with the `ydb` dialect of sqlglot, made stricter.

Every function call parses to `Anonymous` with the name as written, so that one table of our own
decides on all of them; every type in a CAST is the word that stands there.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError
from sqlglot.parser import Parser as BaseParser
from ydb_sqlglot.ydb import (  # type: ignore[import-untyped]  # the plugin ships no types
    YDB,
    FlattenBy,
    YdbJsonExists,
    YdbJsonValue,
    YdbLambdaBlock,
    YdbPostfixCall,
)

from outlast.kinds.yql import limits
from outlast.kinds.yql.lexing import Document
from outlast.kinds.yql.refusal import QueryRefused

__all__ = [
    "FlattenBy",
    "YdbJsonExists",
    "YdbJsonValue",
    "YdbLambdaBlock",
    "YdbPostfixCall",
    "parse_statement",
]

_OPENING = (TokenType.L_PAREN, TokenType.LT)
_CLOSING = (TokenType.R_PAREN, TokenType.GT)


class YqlSubset(YDB):  # type: ignore[misc]  # the plugin ships no types
    """The plugin's dialect without functions and types of its own."""

    class Tokenizer(YDB.Tokenizer):  # type: ignore[misc]  # the plugin ships no types
        """Type names are ordinary words, so that `String::` reads like any other module."""

        KEYWORDS: ClassVar[dict[str, TokenType]] = {
            word: kind
            for word, kind in YDB.Tokenizer.KEYWORDS.items()
            if word not in {"UTF8", "STRING", "LIST"}
        }

    class Parser(YDB.Parser):  # type: ignore[misc]  # the plugin ships no types
        """Leaves the meaning of names to the translation."""

        FUNCTIONS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[TokenType, type[exp.Expr]]] = {}
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {
            "CASE": lambda self: self._parse_case(),
        }
        FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {
            "CAST": lambda self: self._parse_subset_cast(),
            "JSON_EXISTS": lambda self: self._parse_ydb_json_exists(),
            "JSON_VALUE": lambda self: self._parse_ydb_json_value(),
        }
        COLUMN_OPERATORS: ClassVar[Mapping[TokenType, Callable[..., exp.Expr] | None]] = {
            TokenType.DOT: BaseParser.COLUMN_OPERATORS.get(TokenType.DOT),
            TokenType.DCOLON: lambda self, this, field: self._parse_module_call(this, field),
        }

        def _parse_module_call(self, this: exp.Expr, field: exp.Expr) -> exp.Expr:
            module = this.this if isinstance(this, exp.Column) else this
            if not isinstance(field, exp.Anonymous) or not isinstance(module, exp.Identifier):
                self.raise_error("Expected a call after '::'")
            arguments = field.args.get("expressions")
            call = exp.Anonymous(this=f"{module.name}::{field.name}", expressions=arguments)
            return call.update_positions(module)

        def _parse_subset_cast(self) -> exp.Expr:
            value = self._parse_disjunction()
            if not self._match(TokenType.ALIAS):
                self.raise_error("Expected AS after CAST")
            return exp.Cast(this=value, to=self._parse_subset_type())

        def _parse_subset_type(self) -> exp.DataType:
            token = self._curr
            self._advance()
            if token.text.upper() == "OPTIONAL" and self._match(TokenType.LT):
                inner = self._parse_subset_type()
                self._match(TokenType.GT) or self.raise_error("Expected '>' after Optional<...")
                return inner
            self._match(TokenType.PLACEHOLDER)
            self._skip_type_arguments()
            data_type = exp.DataType(this=exp.DType.USERDEFINED, kind=token.text)
            return data_type.update_positions(token)

        def _skip_type_arguments(self) -> None:
            # A type with arguments is refused by its name, not by what follows it.
            depth = 0
            while self._curr and (depth or self._curr.token_type in _OPENING):
                depth += self._curr.token_type in _OPENING
                depth -= self._curr.token_type in _CLOSING
                self._advance()

        def _parse_types(self, *_args: Any, **_kwargs: Any) -> exp.Expr | None:
            return None  # types stand in CAST only, never before a literal


def parse_statement(document: Document, start: int, end: int) -> exp.Expr:
    """The tree of the statement between two offsets; its positions are offsets of the query."""
    masked = " " * start + document.masked[start:end]
    try:
        trees = sqlglot.parse(masked, dialect=YqlSubset)
    except SqlglotError as error:
        raise _syntax_error(document, error, start) from None
    except RecursionError:
        raise document.refuse("expression", "is nested too deeply: simplify it", start) from None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        # The parser is not ours and trips over some malformed text instead of reporting it.
        raise document.refuse("statement", "cannot be parsed", start) from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Expr):
        raise document.refuse("statement", "cannot be parsed", start)

    def refuse_statement(construct: str, advice: str) -> QueryRefused:
        return document.refuse(construct, advice, start)

    limits.check_tree(trees[0], refuse_statement)
    return trees[0]


def _syntax_error(document: Document, error: SqlglotError, start: int) -> Exception:
    offset = start
    details = getattr(error, "errors", None)
    if details:
        # The masked text keeps its line breaks only inside of strings and comments: none at all.
        column, highlight = details[0].get("col"), details[0].get("highlight")
        if isinstance(column, int):
            offset = max(column - len(highlight or ""), 0)
    found = next((token for token in document.tokens.values() if token.end > offset), None)
    if found is None:
        return document.refuse("syntax", "ends too early", max(len(document.text) - 1, 0))
    return document.refuse(f"syntax near {found.text[:40]!r}", "is not understood", found.start)
