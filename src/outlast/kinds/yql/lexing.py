"""Reads YQL text into tokens, and into a masked copy of equal length for the parser.

The parser never sees a comment, a string's content or a number: they are masked, and looked up
again by their offset. So no difference between its idea of a string and YQL's can matter.
"""

import re
from dataclasses import dataclass

from outlast.kinds.yql import limits
from outlast.kinds.yql.literals import read_number, read_raw_string, read_string
from outlast.kinds.yql.refusal import QueryRefused, refuse

DIALECT = "YQL subset"

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<comment>--[^\n]*)
  | (?P<block>/\*)
  | (?P<source>\{src_[0-9]+\})
  | (?P<string>'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*")
  | (?P<raw>@@(?:@@@@|@(?!@)|[^@])*@@)
  | (?P<name>`[^`\\\x00-\x1f]+`)
  | (?P<number>0[xob][0-9a-fA-F]+[a-zA-Z]* | [0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?[a-zA-Z]*)
  | (?P<parameter>\$[A-Za-z_][A-Za-z0-9_]*)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<mark>->|::|\?\?|==|!=|<>|<=|>=|<<|>>|\|\||[-+*/%(),.;=<>?\[\]{}|&^~:])
    """,
    re.VERBOSE | re.DOTALL,
)
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Token:
    """One token of the query; `value` is what a literal means, ready for DuckDB."""

    kind: str
    text: str
    start: int
    value: str = ""

    @property
    def upper(self) -> str:
        """The text of an unquoted word or mark, folded to compare with keywords."""
        return self.text.upper() if self.kind in {"word", "mark"} else ""

    @property
    def end(self) -> int:
        """The offset behind the token."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Document:
    """A query as its tokens by offset, with the masked text that the parser reads."""

    text: str
    masked: str
    tokens: dict[int, Token]

    def refuse(self, construct: str, advice: str, offset: int | None = None) -> QueryRefused:
        """The refusal of a construct of this query."""
        return refuse(DIALECT, construct, advice, text=self.text, offset=offset)


def read_document(query: str) -> Document:
    """Split a query into tokens, or refuse its first character that belongs to none."""

    def refuse_here(construct: str, advice: str, offset: int | None = None) -> QueryRefused:
        return refuse(DIALECT, construct, advice, text=query, offset=offset)

    limits.check_query_size(query, refuse_here)
    tokens: dict[int, Token] = {}
    masked: list[str] = []
    offset = 0
    while offset < len(query):
        match = _TOKEN.match(query, offset)
        if match is None:
            raise refuse_here(*_unreadable(query, offset), offset)
        kind, text = match.lastgroup or "", match.group()
        if kind == "block":
            end = query.find("*/", offset + 2)
            if end < 0:
                raise refuse_here("comment", "is not closed", offset)
            text = query[offset : end + 2]
        if kind in {"space", "comment", "block"}:
            masked.append(" " * len(text))
        else:
            token, text = _token(query, kind, text, offset)
            tokens[offset] = token
            masked.append(_mask(token))
        offset += len(text)
        if len(tokens) > limits.TOKENS_MAX:
            raise refuse_here("query", f"has more than {limits.TOKENS_MAX} tokens: split it up")
    document = Document(query, "".join(masked), tokens)
    _check_brackets(document)
    return document


def _unreadable(query: str, offset: int) -> tuple[str, str]:
    character = query[offset]
    if character in "'\"":
        return "string literal", "is not closed"
    if character == "`":
        return "quoted name", "is not closed, is empty, or holds an escape"
    if query.startswith("@@", offset):
        return "string literal", "is not closed"
    return f"character {character!r}", "has no meaning here"


def _token(query: str, kind: str, text: str, offset: int) -> tuple[Token, str]:
    def refuse_literal(construct: str, advice: str) -> QueryRefused:
        return refuse(DIALECT, construct, advice, text=query, offset=offset)

    if kind == "number":
        return Token(kind, text, offset, read_number(text, refuse_literal)), text
    if kind in {"string", "raw"}:
        suffix = re.compile(r"[A-Za-z0-9_]*").match(query, offset + len(text))
        tail = suffix.group() if suffix else ""
        read, body = (
            (read_string, text[1:-1]) if kind == "string" else (read_raw_string, text[2:-2])
        )
        return Token("string", text + tail, offset, read(body, tail, refuse_literal)), text + tail
    return Token(kind, text, offset), text


def _mask(token: Token) -> str:
    match token.kind:
        case "source":
            return f"`{token.text[1:-1]}`"
        case "string":
            return "'" + "x" * (len(token.text) - 2) + "'"
        case "number":
            return "1" * len(token.text)
        case _:
            return token.text


def _check_brackets(document: Document) -> None:
    opened: list[Token] = []
    for token in document.tokens.values():
        if token.kind != "mark":
            continue
        if token.text in _OPEN:
            opened.append(token)
        elif token.text in _CLOSE and (not opened or _pair(opened.pop()) != token.text):
            raise document.refuse(f"bracket {token.text!r}", "closes nothing", token.start)
        if len(opened) > limits.BRACKETS_MAX:
            advice = f"is the {limits.BRACKETS_MAX + 1}th open at once: nest less deeply"
            raise document.refuse(f"bracket {token.text!r}", advice, token.start)
    if opened:
        raise document.refuse(f"bracket {opened[-1].text!r}", "is not closed", opened[-1].start)


def _pair(opening: Token) -> str:
    return _CLOSE[_OPEN.index(opening.text)]
