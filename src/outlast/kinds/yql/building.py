"""How the scalar functions of the subset are built from DuckDB's: what their table is made of."""

from collections.abc import Callable

from outlast.kinds.yql.duckdb_text import MOMENTS, NULL, by_type, fail

Build = Callable[[list[str]], str]
"""DuckDB's expression for a call with these arguments, or `Unfit`."""

_ALL = 2**32  # more bytes than a value of DuckDB can have


class Unfit(Exception):
    """The arguments of a call lie outside of the subset; the text says in what way."""


def template(text: str) -> Build:
    """An expression with the arguments in their places, `{0}` first."""
    return lambda arguments: text.format(*arguments)


def byte_length(arguments: list[str]) -> str:
    """The bytes of a text, or of bytes."""
    (value,) = arguments
    branches = {
        ("VARCHAR", '"NULL"'): f"strlen(TRY_CAST({value} AS VARCHAR))",
        ("BLOB",): f"octet_length(TRY_CAST({value} AS BLOB))",
    }
    return by_type(value, branches, "LENGTH takes a string")


def byte_substring(arguments: list[str]) -> str:
    """The bytes from a position on, which counts from 0; NULL is the start, or the rest."""
    value, start, *rest = arguments
    start = f"COALESCE(CAST({start} AS BIGINT), 0)"
    count = f"COALESCE(CAST({rest[0]} AS BIGINT), {_ALL})" if rest else str(_ALL)
    # A cut inside a character has no VARCHAR; decode() then ends the query, as it should.
    cut = f"decode(array_slice(encode({value}), {start} + 1, {start} + {count}))"
    bad = fail("SUBSTRING takes a position and a length that are not negative")
    return f"CASE WHEN {start} < 0 OR {count} < 0 THEN {bad} ELSE {cut} END"


def unicode_substring(arguments: list[str]) -> str:
    """The code points from a position on, which counts from 0."""
    value, start, *rest = arguments
    count = f", {rest[0]}" if rest else ""
    bad = fail("Unicode::Substring takes a position and a length that are not negative")
    negative = " OR ".join(f"{part} < 0" for part in [start, *rest])
    return f"CASE WHEN {negative} THEN {bad} ELSE substr({value}, {start} + 1{count}) END"


def nonempty(text: str, position: int) -> Build:
    """A template whose argument at `position` has to be a literal that is not empty."""

    def build(arguments: list[str]) -> str:
        if not arguments[position].startswith("'") or arguments[position] == "''":
            raise Unfit(f"takes a string literal that is not empty as argument {position + 1}")
        return text.format(*arguments)

    return build


def double(text: str) -> Build:
    """A template whose arguments are made Double."""
    return lambda arguments: text.format(*(f"CAST({value} AS DOUBLE)" for value in arguments))


def moment(text: str) -> Build:
    """A template for one date or time; other types are refused."""

    def build(arguments: list[str]) -> str:
        (value,) = arguments
        branches = {MOMENTS: text.format(f"TRY_CAST({value} AS TIMESTAMP)"), NULL: "NULL"}
        return by_type(value, branches, "DateTime functions take a Date, Datetime or Timestamp")

    return build


def start_of(part: str) -> Build:
    """The first moment of the part of the calendar that a moment lies in."""
    start = f"date_trunc('{part}', {{0}})"
    # YDB's types begin in 1970: a start before it is NULL there.
    return moment(f"CASE WHEN {start} >= TIMESTAMP '1970-01-01' THEN {start} END")


def end_of(part: str) -> Build:
    """The last moment of the part of the calendar that a moment lies in."""
    ahead = f"date_trunc('{part}', {{0}}) + INTERVAL 1 {part}"
    return moment(f"({ahead} - INTERVAL 1 MICROSECOND)")


def shift(months: int) -> Build:
    """So many months on, per unit; a day that the month does not have is its last one."""

    def build(arguments: list[str]) -> str:
        value, count = arguments
        moved = f"({{0}} + to_months(CAST({count} AS INTEGER) * {months}))"
        bounds = "TIMESTAMP '1970-01-01' AND TIMESTAMP '2105-12-31 23:59:59.999999'"
        return moment(f"CASE WHEN {moved} BETWEEN {bounds} THEN {moved} END")([value])

    return build


def from_epoch(microseconds: int) -> Build:
    """The moment of a number of units since 1970; NULL outside of YDB's years."""
    # YDB's Timestamp ends before 2106.
    most = 4_291_747_200_000_000 // microseconds
    return template(
        f"CASE WHEN {{0}} >= 0 AND {{0}} < {most}"
        f" THEN make_timestamp(CAST({{0}} AS BIGINT) * {microseconds}) END"
    )


def byte_find(missing: str) -> Build:
    """Where a text occurs first, in bytes from 0; `missing` where it does not."""

    def build(arguments: list[str]) -> str:
        value, part, *start = arguments
        skipped = f"COALESCE(CAST({start[0]} AS BIGINT), 0)" if start else "0"
        # A start inside a character has no VARCHAR; decode() then ends the query, as it should.
        rest = f"decode(array_slice(encode({value}), {skipped} + 1, {_ALL}))" if start else value
        place = f"strpos({rest}, {part})"
        found = f"{skipped} + strlen(substr({rest}, 1, {place} - 1))"
        return (
            f"CASE WHEN {value} IS NULL OR {part} IS NULL THEN NULL"
            f" WHEN {place} > 0 THEN {found} ELSE {missing} END"
        )

    return build


def extend(arguments: list[str]) -> str:
    """Lists one after the other; NULL where one of them is."""
    missing = " OR ".join(f"{items} IS NULL" for items in arguments)
    joined = arguments[0]
    for items in arguments[1:]:
        joined = f"list_concat({joined}, {items})"
    return f"CASE WHEN {missing} THEN NULL ELSE {joined} END"


def join(arguments: list[str]) -> str:
    """The items of a list of texts with another text between them."""
    items, separator = arguments
    bad = fail("JoinFromList takes a list without NULL: use ListNotNull")
    holes = f"list_count({items}) < len({items})"
    return f"CASE WHEN {holes} THEN {bad} ELSE array_to_string({items}, {separator}) END"


def ensure(arguments: list[str]) -> str:
    """A value whose condition is true; anything else ends the query."""
    value, condition, *message = arguments
    bad = f"error({message[0]})" if message else fail("Ensure met a condition that is not true")
    return f"CASE WHEN {condition} THEN {value} ELSE {bad} END"


def sliced(text: str) -> Build:
    """A template whose second argument may not be negative."""

    def build(arguments: list[str]) -> str:
        bad = fail("ListSkip and ListTake take a count that is not negative")
        return f"CASE WHEN {arguments[1]} < 0 THEN {bad} ELSE {text.format(*arguments)} END"

    return build


def string_test(text: str) -> Build:
    """A template for a test that is false for NULL."""
    # The signatures are (String?, String) -> Bool.
    return lambda arguments: f"COALESCE({text.format(*arguments)}, FALSE)"


def replace(arguments: list[str]) -> str:
    """Every occurrence of a literal text replaced."""
    return nonempty("replace({0}, {1}, {2})", 1)(arguments)


def unwrap(arguments: list[str]) -> str:
    """A value that is not NULL; NULL ends the query."""
    bad = f"error({arguments[1]})" if len(arguments) > 1 else fail("Unwrap met NULL")
    return f"CASE WHEN {arguments[0]} IS NULL THEN {bad} ELSE {arguments[0]} END"


def as_list(arguments: list[str]) -> str:
    """The arguments as a list."""
    return "[" + ", ".join(arguments) + "]"
