"""Refuses expressions that the parser would group in another way than YQL.

YQL binds NOT tighter than any binary operator, `||` tighter than `*`, and `??` to the right; the
parser does not. It also reads IN, LIKE, BETWEEN and IS as tighter than `<`. Where two operators
of one expression fall into such a pair, the author is asked for parentheses.
"""

from dataclasses import dataclass, field

from outlast.kinds.yql.lexing import Document, Token

_CLASSES = (
    dict.fromkeys(("+", "-", "*", "/", "%"), "arithmetic")
    | dict.fromkeys(("|", "&", "^", "<<", ">>"), "bitwise")
    | dict.fromkeys(("=", "==", "!=", "<>", "<", "<=", ">", ">="), "comparison")
    | dict.fromkeys(("IN", "LIKE", "ILIKE", "REGEXP", "RLIKE", "MATCH"), "test")
    | dict.fromkeys(("BETWEEN", "IS", "ISNULL", "NOTNULL"), "test")
    | {"||": "concatenation", "??": "coalescing"}
)
_CONFLICTS = (
    {"concatenation", "arithmetic"},
    {"concatenation", "bitwise"},
    {"coalescing", "concatenation"},
    {"coalescing", "bitwise"},
    {"comparison", "test"},
)
_BREAKS = frozenset({",", ";", "->", "::", ":"}) | {
    *("SELECT", "FROM", "WHERE", "GROUP", "BY", "HAVING"),
    *("ORDER", "LIMIT", "OFFSET", "ON", "USING", "JOIN"),
    *("AS", "UNION", "ALL", "ASC", "DESC", "OVER"),
    *("PARTITION", "ROWS", "RETURN", "DISTINCT", "WHEN", "THEN"),
    *("ELSE", "XOR", "OR"),
}
_PREFIX_WORDS = frozenset({"NOT", "ESCAPE", "EXISTS", "AND", "CASE"})


@dataclass(slots=True)
class _Group:
    """The operators seen so far between two separators of one bracket level."""

    classes: dict[str, Token] = field(default_factory=dict)
    negated: bool = False
    between: bool = False


def check_precedence(document: Document) -> None:
    """Refuse the first operator that needs parentheses to mean the same in YQL and here."""
    groups = [_Group()]
    previous: Token | None = None
    for token in _without_assignments(list(document.tokens.values())):
        word = token.upper
        if word in {"(", "[", "{", "CASE"}:
            groups.append(_Group())
        elif word in {")", "]", "}", "END"}:
            if len(groups) > 1:
                groups.pop()
        elif word == "AND" and groups[-1].between:
            groups[-1].between = False
        elif _is_break(token, previous):
            groups[-1] = _Group()
        elif word == "NOT" and not _is_operand(previous):
            groups[-1].negated |= previous is None or previous.upper != "IS"
        elif word in _CLASSES and _is_operand(previous):
            _note(document, groups[-1], token)
        previous = token


def _without_assignments(tokens: list[Token]) -> list[Token]:
    """The tokens without each `=` that gives a `$name` its meaning: it is no comparison."""
    starts = {";", "{"}
    return [
        token
        for index, token in enumerate(tokens)
        if not (
            token.upper == "="
            and index
            and tokens[index - 1].kind == "parameter"
            and (index == 1 or tokens[index - 2].upper in starts)
        )
    ]


def _is_break(token: Token, previous: Token | None) -> bool:
    before = previous.upper if previous else ""
    if (token.upper, before) in {("DISTINCT", "IS"), ("DISTINCT", "NOT"), ("FROM", "DISTINCT")}:
        return False
    return token.upper == "AND" or token.upper in _BREAKS


def _is_operand(token: Token | None) -> bool:
    if token is None:
        return False
    if token.kind == "mark":
        return token.text in {")", "]", "}", "?"}
    word = token.upper
    # `x NOT IN`, `x IS NOT NULL`: the words between belong to the test, not to an operand.
    return word not in _CLASSES and word not in _BREAKS and word not in _PREFIX_WORDS - {"NOT"}


def _note(document: Document, group: _Group, token: Token) -> None:
    if group.negated:
        advice = "follows NOT, which binds tighter in YQL: write NOT (...)"
        raise document.refuse(f"operator {token.upper}", advice, token.start)
    group.classes.setdefault(_CLASSES[token.upper], token)
    group.between |= token.upper == "BETWEEN"
    for pair in _CONFLICTS:
        if pair <= group.classes.keys():
            first, second = sorted((group.classes[name] for name in pair), key=lambda t: t.start)
            advice = f"beside {first.upper} needs parentheses to say which comes first"
            raise document.refuse(f"operator {second.upper}", advice, second.start)
