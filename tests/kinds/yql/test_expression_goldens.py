"""YQL expressions and the values that YDB's documentation says they have.

Each case names the rule it rests on. The tables stand in `conftest.py`.
"""

from datetime import date, datetime
from math import inf, nan

import duckdb
import pytest
from yql_goldens import Golden, check_golden, parameters

GOLDENS = [
    Golden(
        "dividing integers truncates towards zero and dividing by zero is NULL",
        "SELECT 7 / 2, -7 / 2, 7 % -2, 1 / 0, 1 % 0, id / 2 FROM {src_0} WHERE id = 3",
        [(3, -3, 1, None, None, 1)],
        "expressions: arithmetic keeps the type of integers; types/cast: 3/0 is empty",
    ),
    Golden(
        "dividing a Double is exact division with infinities",
        "SELECT 7.0 / 2, 1.0 / 0, 0.0 / 0.0, 1 / 4.0",
        [(3.5, inf, nan, 0.25)],
        "expressions: the example 0.0 / 0.0; types/primitive: Int with Double gives Double",
    ),
    Golden(
        "a float literal is a Double and not a Decimal",
        "SELECT 0.1 + 0.2 = 0.3, 1e3, 1.5f",
        [(False, 1000.0, 1.5)],
        "lexer: floating point literals are Double, f makes them Float",
    ),
    Golden(
        "integer literals know bases and suffixes",
        "SELECT 0xFF, 0o17, 0b101, 123l, 5u, 7ut, 18446744073709551615ul",
        [(255, 15, 5, 123, 5, 7, 18446744073709551615)],
        "lexer: numeric literals",
    ),
    Golden(
        "strings take either quote, C escapes and a suffix",
        r"""SELECT "it's", 'say "hi"', 'a\tb\x41\u0416\101', "x"u, 'it\'s' """,
        [("it's", 'say "hi"', "a\tbA\u0416A", "x", "it's")],
        "lexer: string literals, C++ mode",
    ),
    Golden(
        "LENGTH counts bytes and Unicode::GetLength characters",
        "SELECT LENGTH('h\u00e9'), LEN('abc'), Unicode::GetLength('h\u00e9'), LENGTH(data)"
        " FROM {src_0} WHERE id = 1",
        [(3, 3, 2, 2)],
        "builtins/basic: LENGTH is in bytes; udf/unicode: GetLength",
    ),
    Golden(
        "SUBSTRING counts bytes from zero",
        "SELECT SUBSTRING('abcdefg', 3, 1), SUBSTRING('abcdefg', 3),"
        " SUBSTRING('abcdefg', NULL, 3), SUBSTRING('abc', 9, 2), SUBSTRING('\u00e9x', 2, 1)",
        [("d", "defg", "abc", "", "x")],
        "builtins/basic: SUBSTRING and its three examples",
    ),
    Golden(
        "comparing with NULL is neither true nor false",
        "SELECT NULL = NULL, 1 != NULL, NULL IS NULL, score IS NOT NULL,"
        " NULL IS NOT DISTINCT FROM NULL, 1 IS DISTINCT FROM NULL FROM {src_0} WHERE id = 4",
        [(None, None, True, False, True, True)],
        "expressions: IS NULL, IS DISTINCT FROM",
    ),
    Golden(
        "coalescing, IF and CASE choose values",
        "SELECT score ?? -1, NVL(score, 0), COALESCE(NULL, score, 9), IF(score > 0, 'p'),"
        " CASE WHEN score > 0 THEN 'p' ELSE 'n' END, CASE id WHEN 4 THEN 'four' ELSE '?' END"
        " FROM {src_0} WHERE id = 4",
        [(-1, 0, 9, None, "n", "four")],
        "builtins/basic: COALESCE, IF; expressions: CASE",
    ),
    Golden(
        "ListMap and ListFilter apply lambdas, also inside of each other",
        "$add = ($x) -> (ListMap([1, 2], ($y) -> ($x * 10 + $y)));"
        " SELECT ListMap([1, 2], ($x) -> ($add($x))), ListFilter([1, 5, NULL], ($x) -> ($x > 2)),"
        " ListMap(NULL, ($x) -> ($x))",
        [([[11, 12], [21, 22]], [5], None)],
        "builtins/list: ListMap, ListFilter",
    ),
    Golden(
        "CAST gives NULL for what does not convert",
        "SELECT CAST('12' AS Int32), CAST('1.5' AS Int32), CAST(' 1' AS Int64),"
        " CAST('x' AS Double),"
        " CAST(300 AS Uint8), CAST(-1 AS Uint16), CAST('2024-02-30' AS Date), CAST('TRUE' AS Bool),"
        " CAST('yes' AS Bool), CAST('1e2' AS Optional<Int32>), CAST('2.5' AS Double?)",
        [(12, None, None, None, None, None, None, True, None, None, 2.5)],
        "types/cast: a failed cast is NULL, and T? is the same as T",
    ),
    Golden(
        "CAST of a float to an integer truncates",
        "SELECT CAST(1.7 AS Int32), CAST(-1.7 AS Int32), CAST(1.2345 AS Uint8), CAST(2 AS Bool),"
        " CAST(true AS Int32), CAST(7 AS String), CAST(1e20 AS Int64)",
        [(1, -1, 1, True, 1, "7", None)],
        "types/cast: the fraction is discarded; types/primitive: the table of casts",
    ),
    Golden(
        "moments are literals and have parts",
        "SELECT Date('2024-01-31'), CAST('2024-01-31T10:20:30Z' AS Datetime),"
        " DateTime::GetDayOfWeek(Date('2024-01-07')), DateTime::GetYear(Date('2024-01-07')),"
        " DateTime::MakeDate(DateTime::StartOfMonth(Date('2024-01-31'))),"
        " DateTime::MakeDate(DateTime::StartOfWeek(Date('1970-01-01'))),"
        " DateTime::ToSeconds(Datetime('1970-01-02T00:00:00Z'))",
        [
            (
                date(2024, 1, 31),
                datetime(2024, 1, 31, 10, 20, 30),  # noqa: DTZ001 - DuckDB's has no zone
                7,
                2024,
                date(2024, 1, 1),
                None,
                86400,
            )
        ],
        "udf/datetime: Get..., StartOf... with NULL before 1970, ToSeconds",
    ),
    Golden(
        "LIKE is a whole match and REGEXP a search",
        "SELECT 'abc' LIKE 'b', 'abc' LIKE '_b%', 'ABC' ILIKE 'a%', 'a%c' LIKE 'a!%c' ESCAPE '!',"
        " 'abc' REGEXP 'b', 'abc' MATCH 'b', 'abc' RLIKE '^a.c$', 'abc' NOT LIKE 'x%'",
        [(False, True, True, True, True, False, True, True)],
        "expressions: LIKE, ILIKE, ESCAPE; REGEXP is Re2::Grep and MATCH is Re2::Match",
    ),
    Golden(
        "IN and BETWEEN test values",
        "SELECT id FROM {src_0} WHERE id IN (1, 2, 3) AND score BETWEEN 1 AND 7 AND"
        " team IN (SELECT team FROM {src_1}) OR id NOT IN (1, 2, 3) ORDER BY id",
        [(1,), (4,)],
        "expressions: IN, BETWEEN",
    ),
    Golden(
        "the two StartsWith differ about NULL",
        "SELECT StartsWith(note, 'h'), String::StartsWith(note, 'h'), String::Contains(note, 'h'),"
        " EndsWith('abc', 'bc') FROM {src_0} WHERE id = 3",
        [(None, False, False, True)],
        "builtins/basic: StartsWith(NULL) is NULL; udf/string: (String?, String) -> Bool",
    ),
    Golden(
        "String functions know ASCII only",
        "SELECT String::AsciiToUpper('a\u00e9'), String::Strip(' \\t x '),"
        " String::ReplaceAll('aXbX', 'X', '-'), String::SplitToList('a,,b', ','),"
        " String::Base64Encode('YQL')",
        [("A\u00e9", "x", "a-b-", ["a", "", "b"], "WVFM")],
        "udf/string",
    ),
    Golden(
        "lists count from zero and know NULL",
        "SELECT [5, 6][0], [5, 6][7], ListHas([1, NULL], NULL), ListHas(NULL, 1),"
        " ListIndexOf([5, 6], 6), ListIndexOf([5], 6), ListTake([1, 2, 3], 2), ListSkip([1, 2], 5),"
        " ListLength(AsList(1, 2)), ListSortDesc([1, 3, 2]), ListNotNull([3, NULL, 4])",
        [(5, None, True, False, 1, None, [1, 2], [], 2, [3, 2, 1], [3, 4])],
        "builtins/list",
    ),
    Golden(
        "JSON_VALUE reads scalars and JSON_EXISTS tests paths",
        "SELECT JSON_VALUE(doc, '$.a.b' RETURNING Int64), JSON_VALUE(doc, '$.s'),"
        " JSON_VALUE(doc, '$.none'), JSON_VALUE(doc, '$.a'), JSON_EXISTS(doc, '$.n'),"
        " JSON_EXISTS(doc, '$.none'), JSON_VALUE(doc, '$.l[1]' RETURNING Int64)"
        " FROM {src_0} WHERE id = 1",
        [(1, "x", None, None, True, False, 20)],
        "builtins/json: NULL on empty and on error are the defaults; false on error for EXISTS",
    ),
    Golden(
        "logic has three values and XOR",
        "SELECT true XOR false, NULL AND false, NULL OR true, NOT NULL, true XOR NULL,"
        " 5 & 3, 5 | 3, 5 ^ 3",
        [(True, False, True, None, None, 1, 7, 6)],
        "expressions: logical and bitwise operators",
    ),
    Golden(
        "comments, odd space and a trailing semicolon are fine",
        "-- {src_9}\n\tSELECT\r\n id /* {src_8} ; */ AS `an id`, '{src_7}' FROM {src_0}\n"
        "WHERE id = 1 ; -- done \u2713",
        [(1, "{src_7}")],
        "lexer: a comment is a space",
    ),
    Golden(
        "|| is NULL when a side is",
        "SELECT 'a' || 'b' || name, 'x' || note FROM {src_0} WHERE id = 3",
        [("abcy", None)],
        "expressions: concatenation with NULL is NULL",
    ),
    Golden(
        "Math works on Double",
        "SELECT Math::Floor(2.5), Math::Ceil(2), Math::Sqrt(-1.0), Math::Pow(2, 10),"
        " Math::Trunc(-1.5)",
        [(2.0, 2.0, nan, 1024.0, -1.0)],
        "udf/math",
    ),
]


@pytest.mark.parametrize("golden", parameters(GOLDENS))
def test_means_what_ydb_documents(run, golden):
    check_golden(run(golden.query), golden)


def test_a_cut_inside_of_a_character_ends_the_query(run):
    with pytest.raises(duckdb.Error, match="UTF8"):
        run("SELECT SUBSTRING('\u00e9', 0, 1)")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("SELECT LENGTH(id) FROM {src_0}", id="the length of an integer"),
        pytest.param("SELECT CAST(1.5 AS String)", id="a Double as text"),
        pytest.param(
            "SELECT a - b FROM (SELECT Date('2024-01-02') AS a, Date('2024-01-01') AS b)",
            id="a difference of dates",
        ),
        pytest.param("SELECT Date('2024-01-02') + 1", id="a day and a number"),
        pytest.param("SELECT id FROM {src_0} WHERE score", id="a number as a condition"),
        pytest.param("SELECT id FROM {src_0} WHERE name", id="a text as a condition"),
        pytest.param("SELECT DateTime::GetYear('2024') FROM {src_0}", id="the year of text"),
    ],
)
def test_a_type_outside_of_the_subset_is_refused_when_the_query_is_bound(run, query):
    with pytest.raises(duckdb.BinderException, match=r"(?i)YQL subset"):
        run(query)


def test_a_lax_json_path_through_an_array_ends_the_query(run):
    query = "SELECT JSON_VALUE(CAST('[{\"a\": 1}]' AS Json), '{mode}$.a')"
    with pytest.raises(duckdb.Error, match="lax JSON path"):
        run(query.replace("{mode}", ""))
    assert run(query.replace("{mode}", "strict ")) == [(None,)]
