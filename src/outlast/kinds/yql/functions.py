"""The scalar functions of the subset: one table, from which the documentation is made too.

A built-in is looked up as YQL does it, without regard to case and underscores; a function of a
module (`String::Strip`) exactly. The rule for a place in the table: same result as YDB documents,
for every value, or a failed query; never another result.
"""

from dataclasses import dataclass

from outlast.kinds.yql.building import (
    Build,
    Unfit,
    as_list,
    byte_find,
    byte_length,
    byte_substring,
    double,
    end_of,
    ensure,
    extend,
    from_epoch,
    join,
    moment,
    nonempty,
    replace,
    shift,
    sliced,
    start_of,
    string_test,
    template,
    unicode_substring,
    unwrap,
)
from outlast.kinds.yql.duckdb_text import quote_text

_SPACE = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"
_LOWER, _UPPER = "'abcdefghijklmnopqrstuvwxyz'", "'ABCDEFGHIJKLMNOPQRSTUVWXYZ'"


@dataclass(frozen=True, slots=True)
class Function:
    """A YQL function: how many arguments it takes, what DuckDB computes, what it means."""

    name: str
    arguments_min: int
    arguments_max: int
    build: Build
    summary: str


def key_of(name: str) -> str:
    """The key under which a function is listed: YQL ignores case and `_` in built-ins only."""
    return name if "::" in name else name.lower().replace("_", "")


_IF = "CASE WHEN {0} THEN {1} ELSE {2} END"

_BUILT_IN = (
    Function("COALESCE", 1, 50, lambda a: f"COALESCE({', '.join(a)})", "first value not NULL"),
    Function("NVL", 1, 50, lambda a: f"COALESCE({', '.join(a)})", "same as COALESCE"),
    Function("IF", 2, 3, lambda a: _IF.format(*a, "NULL"), "one of two values by a condition"),
    Function("LENGTH", 1, 1, byte_length, "length in bytes"),
    Function("LEN", 1, 1, byte_length, "same as LENGTH"),
    Function("SUBSTRING", 2, 3, byte_substring, "bytes from a position that counts from 0"),
    Function("StartsWith", 2, 2, template("starts_with({0}, {1})"), "prefix test; NULL stays"),
    Function("EndsWith", 2, 2, template("suffix({0}, {1})"), "suffix test; NULL stays"),
    Function("ABS", 1, 1, template("abs({0})"), "absolute value"),
    Function("NANVL", 2, 2, template("CASE WHEN isnan({0}) THEN {1} ELSE {0} END"), "NaN to y"),
    Function("LIKELY", 1, 1, template("({0})"), "a hint without effect"),
    Function("Just", 1, 1, template("({0})"), "an optional of a value"),
    Function("Unwrap", 1, 2, unwrap, "the value of an optional; NULL ends the query"),
    Function("Ensure", 2, 3, ensure, "x where the condition is true; else the query ends"),
    Function("FIND", 2, 3, byte_find("NULL"), "byte at which a text occurs first, from 0, or NULL"),
    Function("CurrentUtcDate", 0, 0, template("CAST(timezone('UTC', now()) AS DATE)"), "today"),
    Function("CurrentUtcTimestamp", 0, 0, template("timezone('UTC', now())"), "now"),
)
_LISTS = (
    Function("AsList", 1, 500, as_list, "a list of its arguments"),
    Function("ListLength", 1, 1, template("len({0})"), "number of items"),
    Function("ListHasItems", 1, 1, template("(len({0}) > 0)"), "whether there is an item"),
    Function(
        "ListHas",
        2,
        2,
        template(
            "CASE WHEN {0} IS NULL THEN FALSE WHEN {1} IS NULL THEN list_count({0}) < len({0})"
            " ELSE list_contains({0}, {1}) END"
        ),
        "membership; NULL equals NULL, a NULL list has nothing",
    ),
    Function("ListSort", 1, 1, template("list_sort({0}, 'ASC', 'NULLS FIRST')"), "ascending"),
    Function("ListSortAsc", 1, 1, template("list_sort({0}, 'ASC', 'NULLS FIRST')"), "same"),
    Function("ListSortDesc", 1, 1, template("list_sort({0}, 'DESC', 'NULLS LAST')"), "descending"),
    Function("ListReverse", 1, 1, template("list_reverse({0})"), "items from last to first"),
    Function("ListSkip", 2, 2, sliced("list_slice({0}, {1} + 1, len({0}))"), "without the first n"),
    Function("ListTake", 2, 2, sliced("list_slice({0}, 1, {1})"), "the first n"),
    Function("ListHead", 1, 1, template("list_extract({0}, 1)"), "first item or NULL"),
    Function("ListLast", 1, 1, template("list_extract({0}, -1)"), "last item or NULL"),
    Function("ListFlatten", 1, 1, template("flatten({0})"), "the items of lists in one list"),
    Function("ListExtend", 1, 50, extend, "lists one after the other; NULL makes NULL"),
    Function("ListAny", 1, 1, template("list_contains({0}, TRUE)"), "whether an item is true"),
    Function(
        "ListAll",
        1,
        1,
        template("(len(list_filter({0}, lambda item: item)) = len({0}))"),
        "whether all items are true",
    ),
    Function("ListFromRange", 2, 2, template("range({0}, {1})"), "integers from x up to y - 1"),
    Function("ListReplicate", 2, 2, template("repeat([{0}], {1})"), "n times the same item"),
    Function("ListMin", 1, 1, template("list_min({0})"), "least item"),
    Function("ListMax", 1, 1, template("list_max({0})"), "greatest item"),
    Function(
        "ListNotNull",
        1,
        1,
        template("list_filter({0}, lambda item: item IS NOT NULL)"),
        "without NULL items",
    ),
    Function(
        "ListIndexOf",
        2,
        2,
        template("(nullif(list_position({0}, {1}), 0) - 1)"),
        "place of an item, from 0, or NULL",
    ),
)
_STRINGS = (
    Function("String::Contains", 2, 2, string_test("contains({0}, {1})"), "NULL has nothing"),
    Function("String::StartsWith", 2, 2, string_test("starts_with({0}, {1})"), "NULL: false"),
    Function("String::HasPrefix", 2, 2, string_test("starts_with({0}, {1})"), "NULL: false"),
    Function("String::EndsWith", 2, 2, string_test("suffix({0}, {1})"), "NULL: false"),
    Function("String::HasSuffix", 2, 2, string_test("suffix({0}, {1})"), "NULL: false"),
    Function(
        "String::AsciiToLower", 1, 1, template(f"translate({{0}}, {_UPPER}, {_LOWER})"), "A-Z only"
    ),
    Function(
        "String::AsciiToUpper", 1, 1, template(f"translate({{0}}, {_LOWER}, {_UPPER})"), "a-z only"
    ),
    Function("String::ToLower", 1, 1, template(f"translate({{0}}, {_UPPER}, {_LOWER})"), "A-Z"),
    Function("String::ToUpper", 1, 1, template(f"translate({{0}}, {_LOWER}, {_UPPER})"), "a-z"),
    Function("String::Strip", 1, 1, template(f"trim({{0}}, {_SPACE})"), "without ASCII space"),
    Function("String::ReplaceAll", 3, 3, replace, "every occurrence of a literal replaced"),
    Function("String::Base64Encode", 1, 1, template("to_base64(encode({0}))"), "Base64"),
    Function(
        "String::SplitToList", 2, 2, nonempty("string_split({0}, {1})", 1), "parts by a literal"
    ),
    Function("String::Find", 2, 3, byte_find("-1"), "byte at which a text occurs first, or -1"),
    Function("String::Substring", 2, 3, byte_substring, "same as SUBSTRING"),
    Function("String::JoinFromList", 2, 2, join, "items with a text between them"),
    Function(
        "String::RemoveAll",
        2,
        2,
        template("translate({0}, {1}, '')"),
        "without a set of characters",
    ),
    Function("Unicode::GetLength", 1, 1, template("length({0})"), "length in code points"),
    Function("Unicode::Substring", 2, 3, unicode_substring, "code points from a position, from 0"),
    Function(
        "Unicode::Find",
        2,
        2,
        template("(nullif(strpos({0}, {1}), 0) - 1)"),
        "code point at which a text occurs first, from 0, or NULL",
    ),
    Function("Unicode::ReplaceAll", 3, 3, replace, "every occurrence of a literal replaced"),
    Function(
        "Unicode::RemoveAll",
        2,
        2,
        template("translate({0}, {1}, '')"),
        "without a set of characters",
    ),
    Function("Unicode::JoinFromList", 2, 2, join, "items with a text between them"),
    Function(
        "Unicode::SplitToList", 2, 2, nonempty("string_split({0}, {1})", 1), "parts by a literal"
    ),
)
_MATH = (
    Function("Math::Abs", 1, 1, double("abs({0})"), "absolute value"),
    Function("Math::Fabs", 1, 1, double("abs({0})"), "absolute value"),
    Function("Math::Floor", 1, 1, double("floor({0})"), "rounded down"),
    Function("Math::Ceil", 1, 1, double("ceil({0})"), "rounded up"),
    Function("Math::Trunc", 1, 1, double("trunc({0})"), "rounded towards 0"),
    Function("Math::Pow", 2, 2, double("pow({0}, {1})"), "power"),
    Function("Math::Exp", 1, 1, double("exp({0})"), "e to a power"),
    Function(
        "Math::Sqrt",
        1,
        1,
        double("CASE WHEN {0} < 0 THEN CAST('nan' AS DOUBLE) ELSE sqrt({0}) END"),
        "square root; NaN below 0",
    ),
    Function("Math::IsNaN", 1, 1, double("isnan({0})"), "whether it is not a number"),
    Function("Math::IsFinite", 1, 1, double("isfinite({0})"), "whether it is finite"),
    Function("Math::IsInf", 1, 1, double("isinf({0})"), "whether it is infinite"),
    Function("Math::Pi", 0, 0, template("pi()"), "pi"),
)
_MOMENT = (
    Function("DateTime::GetYear", 1, 1, moment("year({0})"), "year"),
    Function("DateTime::GetMonth", 1, 1, moment("month({0})"), "month, from 1"),
    Function("DateTime::GetDayOfMonth", 1, 1, moment("day({0})"), "day, from 1"),
    Function("DateTime::GetDayOfYear", 1, 1, moment("dayofyear({0})"), "day of the year, from 1"),
    Function("DateTime::GetDayOfWeek", 1, 1, moment("isodow({0})"), "1 is Monday"),
    Function("DateTime::GetWeekOfYearIso8601", 1, 1, moment("week({0})"), "ISO 8601 week"),
    Function("DateTime::GetHour", 1, 1, moment("hour({0})"), "hour"),
    Function("DateTime::GetMinute", 1, 1, moment("minute({0})"), "minute"),
    Function("DateTime::GetSecond", 1, 1, moment("second({0})"), "second"),
    Function("DateTime::GetMonthName", 1, 1, moment("monthname({0})"), "January ..."),
    Function("DateTime::GetDayOfWeekName", 1, 1, moment("dayname({0})"), "Monday ..."),
    Function(
        "DateTime::GetMillisecondOfSecond",
        1,
        1,
        moment("(epoch_us({0}) // 1000 % 1000)"),
        "millisecond of the second",
    ),
    Function(
        "DateTime::GetMicrosecondOfSecond",
        1,
        1,
        moment("(epoch_us({0}) % 1000000)"),
        "microsecond of the second",
    ),
    Function("DateTime::Split", 1, 1, moment("({0})"), "the moment, for other functions"),
    Function("DateTime::MakeDate", 1, 1, moment("CAST({0} AS DATE)"), "the day"),
    Function("DateTime::MakeDatetime", 1, 1, moment("date_trunc('second', {0})"), "to the second"),
    Function("DateTime::MakeTimestamp", 1, 1, moment("({0})"), "to the microsecond"),
    Function("DateTime::StartOfYear", 1, 1, start_of("year"), "first moment of the year"),
    Function("DateTime::StartOfQuarter", 1, 1, start_of("quarter"), "of the quarter"),
    Function("DateTime::StartOfMonth", 1, 1, start_of("month"), "of the month"),
    Function("DateTime::StartOfWeek", 1, 1, start_of("week"), "of the week, from Monday"),
    Function("DateTime::StartOfDay", 1, 1, start_of("day"), "of the day"),
    Function("DateTime::EndOfYear", 1, 1, end_of("year"), "last moment of the year"),
    Function("DateTime::EndOfQuarter", 1, 1, end_of("quarter"), "of the quarter"),
    Function("DateTime::EndOfMonth", 1, 1, end_of("month"), "of the month"),
    Function("DateTime::EndOfWeek", 1, 1, end_of("week"), "of the week, to Sunday"),
    Function("DateTime::EndOfDay", 1, 1, end_of("day"), "of the day"),
    Function("DateTime::ShiftYears", 2, 2, shift(12), "n years on, at most to the month's end"),
    Function("DateTime::ShiftQuarters", 2, 2, shift(3), "n quarters on"),
    Function("DateTime::ShiftMonths", 2, 2, shift(1), "n months on"),
    Function("DateTime::FromSeconds", 1, 1, from_epoch(1_000_000), "moment of Unix seconds"),
    Function("DateTime::FromMilliseconds", 1, 1, from_epoch(1000), "moment of Unix ms"),
    Function("DateTime::FromMicroseconds", 1, 1, from_epoch(1), "moment of Unix microseconds"),
    Function("DateTime::ToSeconds", 1, 1, moment("(epoch_us({0}) // 1000000)"), "Unix seconds"),
    Function("DateTime::ToMilliseconds", 1, 1, moment("(epoch_us({0}) // 1000)"), "Unix ms"),
    Function("DateTime::ToMicroseconds", 1, 1, moment("epoch_us({0})"), "Unix microseconds"),
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
