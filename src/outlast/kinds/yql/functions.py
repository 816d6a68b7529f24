"""The scalar functions of the subset: one table, from which the documentation is made too.

A built-in is looked up as YQL does it, without regard to case and underscores; a function of a
module (`String::Strip`) exactly. The rule for a place in the table: same result as YDB documents,
for every value, or a failed query; never another result.
"""

from collections.abc import Callable
from dataclasses import dataclass

from outlast.kinds.yql.duckdb_text import MOMENTS, NULL, by_type, fail, quote_text

_SPACE = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"
_ALL = 2**32  # more bytes than a value of DuckDB can have
_LOWER, _UPPER = "'abcdefghijklmnopqrstuvwxyz'", "'ABCDEFGHIJKLMNOPQRSTUVWXYZ'"


class Unfit(Exception):
    """The arguments of a call lie outside of the subset; the text says in what way."""


@dataclass(frozen=True, slots=True)
class Function:
    """A YQL function: how many arguments it takes, what DuckDB computes, what it means."""

    name: str
    arguments_min: int
    arguments_max: int
    build: Callable[[list[str]], str]
    summary: str


def key_of(name: str) -> str:
    """The key under which a function is listed: YQL ignores case and `_` in built-ins only."""
    return name if "::" in name else name.lower().replace("_", "")


def _template(text: str) -> Callable[[list[str]], str]:
    return lambda arguments: text.format(*arguments)


def _length(arguments: list[str]) -> str:
    (value,) = arguments
    branches = {
        ("VARCHAR", '"NULL"'): f"strlen(TRY_CAST({value} AS VARCHAR))",
        ("BLOB",): f"octet_length(TRY_CAST({value} AS BLOB))",
    }
    return by_type(value, branches, "LENGTH takes a string")


def _substring(arguments: list[str]) -> str:
    value, start, *rest = arguments
    start = f"COALESCE(CAST({start} AS BIGINT), 0)"
    count = f"COALESCE(CAST({rest[0]} AS BIGINT), {_ALL})" if rest else str(_ALL)
    # A cut inside a character has no VARCHAR; decode() then ends the query, as it should.
    cut = f"decode(array_slice(encode({value}), {start} + 1, {start} + {count}))"
    bad = fail("SUBSTRING takes a position and a length that are not negative")
    return f"CASE WHEN {start} < 0 OR {count} < 0 THEN {bad} ELSE {cut} END"


def _unicode_substring(arguments: list[str]) -> str:
    value, start, *rest = arguments
    count = f", {rest[0]}" if rest else ""
    bad = fail("Unicode::Substring takes a position and a length that are not negative")
    negative = " OR ".join(f"{part} < 0" for part in [start, *rest])
    return f"CASE WHEN {negative} THEN {bad} ELSE substr({value}, {start} + 1{count}) END"


def _nonempty(text: str, position: int) -> Callable[[list[str]], str]:
    def build(arguments: list[str]) -> str:
        if not arguments[position].startswith("'") or arguments[position] == "''":
            raise Unfit(f"takes a string literal that is not empty as argument {position + 1}")
        return text.format(*arguments)

    return build


def _double(text: str) -> Callable[[list[str]], str]:
    return lambda arguments: text.format(*(f"CAST({value} AS DOUBLE)" for value in arguments))


def _moment(text: str) -> Callable[[list[str]], str]:
    def build(arguments: list[str]) -> str:
        (value,) = arguments
        branches = {MOMENTS: text.format(f"TRY_CAST({value} AS TIMESTAMP)"), NULL: "NULL"}
        return by_type(value, branches, "DateTime functions take a Date, Datetime or Timestamp")

    return build


def _start_of(part: str) -> Callable[[list[str]], str]:
    start = f"date_trunc('{part}', {{0}})"
    # YDB's types begin in 1970: a start before it is NULL there.
    return _moment(f"CASE WHEN {start} >= TIMESTAMP '1970-01-01' THEN {start} END")


def _slice(text: str) -> Callable[[list[str]], str]:
    def build(arguments: list[str]) -> str:
        bad = fail("ListSkip and ListTake take a count that is not negative")
        return f"CASE WHEN {arguments[1]} < 0 THEN {bad} ELSE {text.format(*arguments)} END"

    return build


def _string_test(text: str) -> Callable[[list[str]], str]:
    # These modules' signatures are (String?, String) -> Bool: NULL in is false out.
    return lambda arguments: f"COALESCE({text.format(*arguments)}, FALSE)"


def _replace(arguments: list[str]) -> str:
    return _nonempty("replace({0}, {1}, {2})", 1)(arguments)


def _unwrap(arguments: list[str]) -> str:
    bad = f"error({arguments[1]})" if len(arguments) > 1 else fail("Unwrap met NULL")
    return f"CASE WHEN {arguments[0]} IS NULL THEN {bad} ELSE {arguments[0]} END"


def _concat(arguments: list[str]) -> str:
    return "[" + ", ".join(arguments) + "]"


_IF = "CASE WHEN {0} THEN {1} ELSE {2} END"

_BUILT_IN = (
    Function("COALESCE", 1, 50, lambda a: f"COALESCE({', '.join(a)})", "first value not NULL"),
    Function("NVL", 1, 50, lambda a: f"COALESCE({', '.join(a)})", "same as COALESCE"),
    Function("IF", 2, 3, lambda a: _IF.format(*a, "NULL"), "one of two values by a condition"),
    Function("LENGTH", 1, 1, _length, "length in bytes"),
    Function("LEN", 1, 1, _length, "same as LENGTH"),
    Function("SUBSTRING", 2, 3, _substring, "bytes from a position that counts from 0"),
    Function("StartsWith", 2, 2, _template("starts_with({0}, {1})"), "prefix test; NULL stays"),
    Function("EndsWith", 2, 2, _template("suffix({0}, {1})"), "suffix test; NULL stays"),
    Function("ABS", 1, 1, _template("abs({0})"), "absolute value"),
    Function("NANVL", 2, 2, _template("CASE WHEN isnan({0}) THEN {1} ELSE {0} END"), "NaN to y"),
    Function("LIKELY", 1, 1, _template("({0})"), "a hint without effect"),
    Function("Just", 1, 1, _template("({0})"), "an optional of a value"),
    Function("Unwrap", 1, 2, _unwrap, "the value of an optional; NULL ends the query"),
    Function("CurrentUtcDate", 0, 0, _template("CAST(timezone('UTC', now()) AS DATE)"), "today"),
    Function("CurrentUtcTimestamp", 0, 0, _template("timezone('UTC', now())"), "now"),
)
_LISTS = (
    Function("AsList", 1, 500, _concat, "a list of its arguments"),
    Function("ListLength", 1, 1, _template("len({0})"), "number of items"),
    Function("ListHasItems", 1, 1, _template("(len({0}) > 0)"), "whether there is an item"),
    Function(
        "ListHas",
        2,
        2,
        _template(
            "CASE WHEN {0} IS NULL THEN FALSE WHEN {1} IS NULL THEN list_count({0}) < len({0})"
            " ELSE list_contains({0}, {1}) END"
        ),
        "membership; NULL equals NULL, a NULL list has nothing",
    ),
    Function("ListSort", 1, 1, _template("list_sort({0}, 'ASC', 'NULLS FIRST')"), "ascending"),
    Function("ListSortAsc", 1, 1, _template("list_sort({0}, 'ASC', 'NULLS FIRST')"), "same"),
    Function("ListSortDesc", 1, 1, _template("list_sort({0}, 'DESC', 'NULLS LAST')"), "descending"),
    Function("ListReverse", 1, 1, _template("list_reverse({0})"), "items from last to first"),
    Function("ListSkip", 2, 2, _slice("list_slice({0}, {1} + 1, len({0}))"), "without the first n"),
    Function("ListTake", 2, 2, _slice("list_slice({0}, 1, {1})"), "the first n"),
    Function("ListHead", 1, 1, _template("list_extract({0}, 1)"), "first item or NULL"),
    Function("ListLast", 1, 1, _template("list_extract({0}, -1)"), "last item or NULL"),
    Function("ListMin", 1, 1, _template("list_min({0})"), "least item"),
    Function("ListMax", 1, 1, _template("list_max({0})"), "greatest item"),
    Function(
        "ListNotNull",
        1,
        1,
        _template("list_filter({0}, lambda item: item IS NOT NULL)"),
        "without NULL items",
    ),
    Function(
        "ListIndexOf",
        2,
        2,
        _template("(nullif(list_position({0}, {1}), 0) - 1)"),
        "place of an item, from 0, or NULL",
    ),
)
_STRINGS = (
    Function("String::Contains", 2, 2, _string_test("contains({0}, {1})"), "NULL has nothing"),
    Function("String::StartsWith", 2, 2, _string_test("starts_with({0}, {1})"), "NULL: false"),
    Function("String::HasPrefix", 2, 2, _string_test("starts_with({0}, {1})"), "NULL: false"),
    Function("String::EndsWith", 2, 2, _string_test("suffix({0}, {1})"), "NULL: false"),
    Function("String::HasSuffix", 2, 2, _string_test("suffix({0}, {1})"), "NULL: false"),
    Function(
        "String::AsciiToLower", 1, 1, _template(f"translate({{0}}, {_UPPER}, {_LOWER})"), "A-Z only"
    ),
    Function(
        "String::AsciiToUpper", 1, 1, _template(f"translate({{0}}, {_LOWER}, {_UPPER})"), "a-z only"
    ),
    Function("String::ToLower", 1, 1, _template(f"translate({{0}}, {_UPPER}, {_LOWER})"), "A-Z"),
    Function("String::ToUpper", 1, 1, _template(f"translate({{0}}, {_LOWER}, {_UPPER})"), "a-z"),
    Function("String::Strip", 1, 1, _template(f"trim({{0}}, {_SPACE})"), "without ASCII space"),
    Function("String::ReplaceAll", 3, 3, _replace, "every occurrence of a literal replaced"),
    Function("String::Base64Encode", 1, 1, _template("to_base64(encode({0}))"), "Base64"),
    Function(
        "String::SplitToList", 2, 2, _nonempty("string_split({0}, {1})", 1), "parts by a literal"
    ),
    Function("Unicode::GetLength", 1, 1, _template("length({0})"), "length in code points"),
    Function("Unicode::Substring", 2, 3, _unicode_substring, "code points from a position, from 0"),
)
_MATH = (
    Function("Math::Abs", 1, 1, _double("abs({0})"), "absolute value"),
    Function("Math::Fabs", 1, 1, _double("abs({0})"), "absolute value"),
    Function("Math::Floor", 1, 1, _double("floor({0})"), "rounded down"),
    Function("Math::Ceil", 1, 1, _double("ceil({0})"), "rounded up"),
    Function("Math::Trunc", 1, 1, _double("trunc({0})"), "rounded towards 0"),
    Function("Math::Pow", 2, 2, _double("pow({0}, {1})"), "power"),
    Function("Math::Exp", 1, 1, _double("exp({0})"), "e to a power"),
    Function(
        "Math::Sqrt",
        1,
        1,
        _double("CASE WHEN {0} < 0 THEN CAST('nan' AS DOUBLE) ELSE sqrt({0}) END"),
        "square root; NaN below 0",
    ),
    Function("Math::IsNaN", 1, 1, _double("isnan({0})"), "whether it is not a number"),
    Function("Math::IsFinite", 1, 1, _double("isfinite({0})"), "whether it is finite"),
    Function("Math::IsInf", 1, 1, _double("isinf({0})"), "whether it is infinite"),
    Function("Math::Pi", 0, 0, _template("pi()"), "pi"),
)
_MOMENT = (
    Function("DateTime::GetYear", 1, 1, _moment("year({0})"), "year"),
    Function("DateTime::GetMonth", 1, 1, _moment("month({0})"), "month, from 1"),
    Function("DateTime::GetDayOfMonth", 1, 1, _moment("day({0})"), "day, from 1"),
    Function("DateTime::GetDayOfYear", 1, 1, _moment("dayofyear({0})"), "day of the year, from 1"),
    Function("DateTime::GetDayOfWeek", 1, 1, _moment("isodow({0})"), "1 is Monday"),
    Function("DateTime::GetWeekOfYearIso8601", 1, 1, _moment("week({0})"), "ISO 8601 week"),
    Function("DateTime::GetHour", 1, 1, _moment("hour({0})"), "hour"),
    Function("DateTime::GetMinute", 1, 1, _moment("minute({0})"), "minute"),
    Function("DateTime::GetSecond", 1, 1, _moment("second({0})"), "second"),
    Function("DateTime::MakeDate", 1, 1, _moment("CAST({0} AS DATE)"), "the day"),
    Function("DateTime::MakeDatetime", 1, 1, _moment("date_trunc('second', {0})"), "to the second"),
    Function("DateTime::MakeTimestamp", 1, 1, _moment("({0})"), "to the microsecond"),
    Function("DateTime::StartOfYear", 1, 1, _start_of("year"), "first moment of the year"),
    Function("DateTime::StartOfQuarter", 1, 1, _start_of("quarter"), "of the quarter"),
    Function("DateTime::StartOfMonth", 1, 1, _start_of("month"), "of the month"),
    Function("DateTime::StartOfWeek", 1, 1, _start_of("week"), "of the week, from Monday"),
    Function("DateTime::StartOfDay", 1, 1, _start_of("day"), "of the day"),
    Function("DateTime::ToSeconds", 1, 1, _moment("(epoch_us({0}) // 1000000)"), "Unix seconds"),
    Function("DateTime::ToMilliseconds", 1, 1, _moment("(epoch_us({0}) // 1000)"), "Unix ms"),
    Function("DateTime::ToMicroseconds", 1, 1, _moment("epoch_us({0})"), "Unix microseconds"),
)

FUNCTIONS: dict[str, Function] = {
    key_of(function.name): function
    for function in (*_BUILT_IN, *_LISTS, *_STRINGS, *_MATH, *_MOMENT)
}
"""The scalar functions of the subset by their key."""


def call(function: Function, arguments: list[str]) -> str:
    """DuckDB's expression for a call, or `Unfit`."""
    if not function.arguments_min <= len(arguments) <= function.arguments_max:
        most = function.arguments_max
        least = function.arguments_min
        wanted = str(least) if least == most else f"{least} to {most}"
        raise Unfit(f"takes {wanted} arguments, not {len(arguments)}")
    return f"({function.build(arguments)})"


def moment_literal(name: str, text: str) -> str:
    """`Date("...")`, `Datetime("...")` or `Timestamp("...")` of a literal already validated."""
    return f"CAST({quote_text(text)} AS {'DATE' if name == 'date' else 'TIMESTAMP'})"
