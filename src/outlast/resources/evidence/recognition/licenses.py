"""License expressions as choices: which licenses, taken together, somebody may choose."""

from itertools import product
from typing import Any, Final

from boolean import ParseError
from license_expression import ExpressionError, Licensing

_CHOICES_MAX: Final = 64
_EXPRESSION_CHARS_MAX: Final = 2000
_NOTHING: Final = frozenset({"", "NONE", "NOASSERTION"})

_licensing: Final = Licensing()


def is_told(expression: Any) -> bool:
    """Whether it says anything of a license."""
    return isinstance(expression, str) and expression.strip() not in _NOTHING


def choices_of(expression: str) -> list[list[str]]:
    """`MIT OR (A AND B)` is [[MIT], [A, B]]; what is no expression is the name of a license."""
    if len(expression) > _EXPRESSION_CHARS_MAX:
        return [[expression[:_EXPRESSION_CHARS_MAX]]]
    try:
        parsed = _licensing.parse(expression)
        return [[expression]] if parsed is None else _choices(parsed)
    except (ExpressionError, ParseError, _TooManyError):
        return [[expression]]


class Choosing:
    """Tells of the licenses of many components, of which most have the same."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], list[list[str]]] = {}

    def combine(self, expressions: list[str]) -> list[list[str]]:
        """The choices where all of some expressions hold."""
        key = tuple(expressions)
        if key not in self._known:
            self._known[key] = _combine(expressions)
        return self._known[key]


def _combine(expressions: list[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for expression in expressions:
        choices = choices_of(expression)
        if len(found) * len(choices) > _CHOICES_MAX:
            return [list(expressions)]
        found = [_union(*pair) for pair in product(found, choices)]
    return found if expressions else []


class _TooManyError(Exception):
    pass


def _choices(node: Any) -> list[list[str]]:
    operator = getattr(node, "operator", None)
    if operator is None:
        return [[str(node)]]
    inner = [_choices(one) for one in node.args]
    if operator.strip() == "OR":
        found = [choice for choices in inner for choice in choices]
    else:
        found = [[]]
        for choices in inner:
            _check(len(found) * len(choices))
            found = [_union(*pair) for pair in product(found, choices)]
    _check(len(found))
    return found


def _check(count: int) -> None:
    if count > _CHOICES_MAX:
        raise _TooManyError


def _union(one: list[str], other: list[str]) -> list[str]:
    return [*one, *(name for name in other if name not in one)]
