"""Which chunks a search looks at: conditions on their metadata, combined. Pure.

A condition names a field of a chunk's metadata, or its `document` or `page`. A field that is not
there fulfils `is_not` and `contains_not`, and nothing else. What is compared as larger or smaller
is a number.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from outlast.operations.errors import InvalidSpec

Scalar = str | int | float | bool

CONDITIONS_MAX: Final = 16
VALUES_MAX: Final = 100
_DEPTH_MAX: Final = 8
_FIELD_CHARS_MAX: Final = 1000
_NUMERIC: Final = frozenset({"above", "at_least", "below", "at_most"})
_TEXTUAL: Final = frozenset({"contains", "contains_not"})

Operator = Literal[
    "is", "is_not", "above", "at_least", "below", "at_most", "contains", "contains_not"
]


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="field"):
    """The field is one of the values, or none of them, or stands so to the one value."""

    field: Annotated[str, Meta(max_length=_FIELD_CHARS_MAX)]
    operator: Operator = "is"
    values: tuple[Scalar, ...]


class Every(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="every"):
    """All of these hold."""

    of: tuple["Where", ...]


class Some(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="some"):
    """At least one of these holds."""

    of: tuple["Where", ...]


Where = Condition | Every | Some


def where_of(filters: Mapping[str, Scalar | Sequence[Scalar]]) -> Every:
    """What holds where each field is its value, or one of its values."""
    return Every(
        of=tuple(
            Condition(
                field=name,
                values=(wanted,) if isinstance(wanted, str | int | float) else tuple(wanted),
            )
            for name, wanted in filters.items()
        )
    )


def check_where(where: Where) -> None:
    """Raise InvalidSpec for more than a search can be asked to look at, or what makes no sense."""
    if _depth(where) > _DEPTH_MAX:
        raise _invalid(f"filters are nested at most {_DEPTH_MAX} deep")
    conditions = list(_conditions(where))
    if len(conditions) > CONDITIONS_MAX:
        raise _invalid(f"a search has at most {CONDITIONS_MAX} filters")
    for one in conditions:
        called = f"filter {one.field[:64]!r}"
        if not 1 <= len(one.values) <= VALUES_MAX:
            raise _invalid(f"{called} has 1 to {VALUES_MAX} values")
        if one.operator in {"is", "is_not"}:
            continue
        if len(one.values) != 1:
            raise _invalid(f"{called}: {one.operator} is about one value")
        value = one.values[0]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if one.operator in _NUMERIC and not is_number:
            raise _invalid(f"{called}: {one.operator} is about a number")
        if one.operator in _TEXTUAL and not isinstance(value, str):
            raise _invalid(f"{called}: {one.operator} is about a text")


def _depth(where: Where) -> int:
    if isinstance(where, Condition):
        return 0
    return 1 + max((_depth(one) for one in where.of), default=0)


def _conditions(where: Where) -> Iterator[Condition]:
    if isinstance(where, Condition):
        yield where
        return
    for one in where.of:
        yield from _conditions(one)


def _invalid(message: str) -> InvalidSpec:
    return InvalidSpec(message, field_errors={"filters": message})
