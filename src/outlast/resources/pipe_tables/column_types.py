"""The SQL types that a pipe table's columns can have, and which one holds values of several. Pure.

They are called as in most engines; each engine's own word for one is in `duckdb` and `postgres`.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from outlast.operations.errors import Invalid

DECIMAL_DIGITS_MAX: Final = 38
VARCHAR_CHARS_MAX: Final = 1_048_576
_TEXT: Final = re.compile(r"([A-Za-z][A-Za-z0-9_ ]{0,31})(?:\(([0-9 ,]{1,20})\))?")
_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "BOOL": "BOOLEAN",
        "INT": "INTEGER",
        "HUGEINT": "LARGEINT",
        "REAL": "FLOAT",
        "DOUBLE PRECISION": "DOUBLE",
        "NUMERIC": "DECIMAL",
        "DATETIME": "TIMESTAMP",
        "CHAR": "VARCHAR",
        "STRING": "VARCHAR",
        "TEXT": "VARCHAR",
        "BINARY": "VARBINARY",
        "BYTEA": "VARBINARY",
        "BLOB": "VARBINARY",
        "JSONB": "JSON",
    }
)
_WORDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "BOOLEAN": ("BOOLEAN", "boolean"),
        "TINYINT": ("TINYINT", "smallint"),
        "SMALLINT": ("SMALLINT", "smallint"),
        "INTEGER": ("INTEGER", "integer"),
        "BIGINT": ("BIGINT", "bigint"),
        "LARGEINT": ("HUGEINT", "numeric(38, 0)"),
        "FLOAT": ("FLOAT", "real"),
        "DOUBLE": ("DOUBLE", "double precision"),
        "DECIMAL": ("DECIMAL", "numeric"),
        "DATE": ("DATE", "date"),
        "TIME": ("TIME", "time"),
        "TIMESTAMP": ("TIMESTAMP", "timestamp"),
        "TIMESTAMPTZ": ("TIMESTAMPTZ", "timestamptz"),
        "VARCHAR": ("VARCHAR", "text"),
        "VARBINARY": ("BLOB", "bytea"),
        "JSON": ("JSON", "jsonb"),
    }
)
"""Each type, and what DuckDB and PostgreSQL call it."""

INTEGERS: Final = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "LARGEINT")
_DIGITS: Final = (3, 5, 10, 19, DECIMAL_DIGITS_MAX)
_FLOATS: Final = ("FLOAT", "DOUBLE")


class ColumnType(msgspec.Struct, frozen=True):
    """A type: its word, and what stands in brackets behind it."""

    word: str
    numbers: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """As it is shown, and as `parse_type` reads it."""
        if not self.numbers:
            return self.word
        return f"{self.word}({', '.join(map(str, self.numbers))})"

    @property
    def duckdb(self) -> str:
        """DuckDB's word. It does not keep the length of texts: who writes checks it."""
        return _with_numbers(_WORDS[self.word][0], self)

    @property
    def postgres(self) -> str:
        """PostgreSQL's word."""
        if self.word == "VARCHAR" and self.numbers:
            return f"varchar({self.numbers[0]})"
        return _with_numbers(_WORDS[self.word][1], self)

    @property
    def is_number(self) -> bool:
        """Whether values can be added."""
        return self.word in {*INTEGERS, *_FLOATS, "DECIMAL"}


VARCHAR: Final = ColumnType("VARCHAR")


def parse_type(text: str) -> ColumnType:
    """The type that a text names. Raises Invalid."""
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise Invalid(f"{text[:80]!r} is not a SQL type")
    word = " ".join(found[1].upper().split())
    word = _ALIASES.get(word, word)
    if word not in _WORDS:
        raise Invalid(f"{text[:80]!r} is not a type that a column can have: {', '.join(_WORDS)}")
    numbers = tuple(int(one) for one in (found[2] or "").split(",") if one.strip())
    match word:
        case "DECIMAL":
            precision, scale = (*numbers, 0)[:2] if numbers else (DECIMAL_DIGITS_MAX, 9)
            fits = len(numbers) <= 2 and 1 <= precision <= DECIMAL_DIGITS_MAX  # noqa: PLR2004
            if not fits or scale > precision:
                raise Invalid(f"{text!r}: a DECIMAL has 1 to {DECIMAL_DIGITS_MAX} digits")
            return ColumnType(word, (precision, scale))
        case "VARCHAR":
            if len(numbers) > 1 or not all(1 <= one <= VARCHAR_CHARS_MAX for one in numbers):
                raise Invalid(f"{text!r}: a VARCHAR has 1 to {VARCHAR_CHARS_MAX} characters")
            return ColumnType(word, numbers)
        case _ if numbers:
            raise Invalid(f"{text!r}: {word} has nothing in brackets")
        case _:
            return ColumnType(word)


def capped(type: ColumnType, chars_max: int | None) -> ColumnType:
    """The type with texts of at most so many characters."""
    if chars_max is None or type.word != "VARCHAR":
        return type
    return ColumnType("VARCHAR", (min((*type.numbers, chars_max)),))


def widened(one: ColumnType, other: ColumnType) -> ColumnType | None:
    """The narrowest type that holds the values of both without a loss, if there is one."""
    if one == other:
        return one
    words = {one.word, other.word}
    wide: ColumnType | None = None
    if words <= set(INTEGERS):
        wide = max(one, other, key=lambda type: INTEGERS.index(type.word))
    elif words <= {*_FLOATS, *INTEGERS}:
        wide = ColumnType("DOUBLE")
    elif words <= {"DECIMAL", *INTEGERS}:
        wide = _widened_decimal(one, other)
    elif words == {"DATE", "TIMESTAMP"}:
        wide = ColumnType("TIMESTAMP")
    elif words == {"VARCHAR"}:
        wide = VARCHAR
    return wide


def _widened_decimal(one: ColumnType, other: ColumnType) -> ColumnType | None:
    (before, scale), (other_before, other_scale) = _digits(one), _digits(other)
    scale = max(scale, other_scale)
    precision = max(before, other_before) + scale
    return ColumnType("DECIMAL", (precision, scale)) if precision <= DECIMAL_DIGITS_MAX else None


def _digits(type: ColumnType) -> tuple[int, int]:
    """How many digits stand before the point, and how many behind."""
    if type.word == "DECIMAL":
        return type.numbers[0] - type.numbers[1], type.numbers[1]
    return _DIGITS[INTEGERS.index(type.word)], 0


def _with_numbers(word: str, type: ColumnType) -> str:
    if type.word != "DECIMAL":
        return word
    return f"{word}({type.numbers[0]}, {type.numbers[1]})"
