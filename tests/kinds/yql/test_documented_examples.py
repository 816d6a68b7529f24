"""The examples of YDB's documentation, with the results that stand beside them there.

`rule` names the page and its section. Where a page shows no result, the section's text gives it.
The tables stand in `conftest.py`.
"""

from datetime import date, datetime

import duckdb
import pytest
from yql_goldens import Golden, check_golden, parameters

FRIENDS = """$json = CAST(@@{
    "friends": [{"name": "James Holden", "age": 35}, {"name": "Naomi Nagata", "age": 30}]
}@@ as Json); """
CREW = """$json = CAST(@@{
    "title": "Rocinante", "crew": ["James Holden", "Naomi Nagata", "Alex Kamai", "Amos Burton"]
}@@ as Json); """
BOOLEANS = """(
    SELECT true AS nonNull, true AS nonFalse, NULL AS nonTrue, true AS anyVal UNION ALL
    SELECT false AS nonNull, NULL AS nonFalse, NULL AS nonTrue, NULL AS anyVal UNION ALL
    SELECT false AS nonNull, NULL AS nonFalse, false AS nonTrue, false AS anyVal
)"""
TM = "$tm = DateTime::Split(DateTime('2019-01-31T01:01:01Z')); "


def at(*parts):
    return datetime(*parts)  # noqa: DTZ001 - DuckDB's TIMESTAMP has no zone


GOLDENS = [
    Golden(
        "NULL is an unknown value to AND, OR, + and ==",
        "SELECT True OR NULL, False AND NULL, True AND NULL, NULL OR NOT NULL, 1 + NULL, 1 == NULL",
        [(True, False, None, None, None, None)],
        "types/optional#null_expr: the table of examples",
    ),
    Golden(
        "Just adds optionality and Unwrap takes it away",
        "$value = Just('value'); SELECT Unwrap($value, 'Unexpected NULL for $value'), Just(1) ?? 2",
        [("value", 1)],
        "builtins/basic#optional-ops, #unwrap",
    ),
    Golden(
        "?? groups to the right and takes the first value",
        "SELECT a ?? b ?? c FROM (SELECT NULL AS a, NULL AS b, 3 AS c) AS t",
        [(3,)],
        "syntax/expressions#operator-priority: ?? is right-associative",
    ),
    Golden(
        "CAST keeps what fits and makes NULL of what does not",
        'SELECT CAST("12345" AS Double), CAST(1.2345 AS Uint8), CAST(12345 AS String),'
        ' CAST("xyz" AS Uint64) IS NULL, CAST(-1 AS Uint16) IS NULL, CAST(255 AS Uint8),'
        " CAST(256 AS Uint8) IS NULL",
        [(12345.0, 1, "12345", True, True, 255, True)],
        "syntax/expressions#cast: the examples without Decimal and lists",
    ),
    Golden(
        "FIND counts bytes from zero and gives NULL where there is nothing",
        'SELECT FIND("abcdefg_abcdefg", "abc"), FIND("abcdefg_abcdefg", "abc", 1),'
        " FIND(\"abcdefg_abcdefg\", \"abc\", 9), FIND('\u00e9x', 'x')",
        [(0, 8, None, 2)],
        "builtins/basic#find: the examples; positions are in bytes",
    ),
    Golden(
        "StartsWith and EndsWith keep NULL",
        'SELECT StartsWith("abc_efg", "abc") AND EndsWith("abc_efg", "efg"),'
        ' StartsWith("abc_efg", "efg") OR EndsWith("abc_efg", "abc"),'
        ' StartsWith("abcd", NULL), EndsWith(NULL, Utf8(""))',
        [(True, False, None, None)],
        "builtins/basic#starts_ends_with: the examples",
    ),
    Golden(
        "IF without an else gives NULL",
        "SELECT id, IF(score > 5, name, 'low') AS a, IF(score > 5, score) AS b FROM {src_0}"
        " ORDER BY id",
        [(1, "ann", 7), (2, "low", None), (3, "cy", 28), (4, "low", None)],
        "builtins/basic#if; a condition of NULL is not true",
    ),
    Golden(
        "LIKE knows two wild cards and an escape",
        "SELECT 'abc___!!!' LIKE '___!_!_!_!!!!!!' ESCAPE '!',"
        " 'ab____!!!' LIKE '___!_!_!_!!!!!!' ESCAPE '!', 'foobar' LIKE 'foo%bar',"
        " 'foobar' LIKE 'oo', 'FOO' ILIKE 'foo'",
        [(True, True, True, False, True)],
        "syntax/expressions#check-match: three of any characters, three _, three !",
    ),
    Golden(
        "REGEXP searches for a pattern",
        "SELECT 'aaabccc' REGEXP 'b+', 'x12' REGEXP '\\\\d+', 'abc' RLIKE 'd'",
        [(True, True, False)],
        "udf/re2#match: REGEXP is Re2::Grep; syntax/expressions#check-match: double the backslash",
    ),
    Golden(
        "NULL matches no pattern, and that is false",
        "SELECT id, note REGEXP 'h', note MATCH 'hel+o' FROM {src_0} WHERE id < 3 ORDER BY id",
        [(1, True, True), (2, False, False)],
        "udf/re2: Grep and Match are (String?) -> Bool",
    ),
    Golden(
        "MATCH takes the whole text",
        '$value = "xaaxaaxaa"; SELECT $value MATCH "[ax]+\\\\d", $value REGEXP "a.*",'
        ' $value MATCH "[ax]+"',
        [(False, True, True)],
        "udf/re2: the examples $match and $grep",
    ),
    Golden(
        "BETWEEN includes its bounds and can be inverted",
        "SELECT 10 BETWEEN 10 AND 20, 20 BETWEEN 10 AND 20, 9 NOT BETWEEN 10 AND 20,"
        " NULL BETWEEN 1 AND 2",
        [(True, True, True, None)],
        "syntax/expressions#between: the same as >= and <=",
    ),
    Golden(
        "IN asks for equality and not for a part of a text",
        "SELECT 2 IN (1, 2, 3), 'ab' IN ('abc', 'b'), NULL IN (1, 2), 4 NOT IN (1, 2, 3)",
        [(True, False, None, True)],
        "syntax/expressions#in: a chain of = with OR",
    ),
    Golden(
        "IS DISTINCT FROM takes NULL for equal to NULL",
        "SELECT NULL IS DISTINCT FROM NULL, 1 IS DISTINCT FROM NULL, 1 IS NOT DISTINCT FROM 1,"
        " 1 IS DISTINCT FROM 2",
        [(False, True, True, True)],
        "syntax/expressions#is-distinct-from: rules 2 to 5",
    ),
    Golden(
        "CASE takes the first branch that is true",
        "SELECT CASE id WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END AS a,"
        " CASE WHEN score > 5 THEN 'high' WHEN score > 0 THEN 'low' ELSE 'none' END AS b"
        " FROM {src_0} ORDER BY id",
        [("one", "high"), ("two", "low"), ("many", "high"), ("many", "none")],
        "syntax/expressions#case",
    ),
    Golden(
        "a named expression is put in its place",
        "$multiplier = 712; SELECT id * $multiplier AS a, (id + id) * $multiplier AS b"
        " FROM {src_0} WHERE id = 2",
        [(1424, 2848)],
        "syntax/expressions#named-nodes: the first example",
    ),
    Golden(
        "a named subquery can be joined with itself",
        "$intermediate = (SELECT id * id AS square, id AS value FROM {src_0});"
        " SELECT a.square * b.value AS product FROM $intermediate AS a"
        " INNER JOIN $intermediate AS b ON a.value == b.square ORDER BY product",
        [(1,), (32,)],
        "syntax/expressions#named-nodes: the second example",
    ),
    Golden(
        "raw strings have no escapes",
        "SELECT @@a\\nb@@, @@it's@@, LENGTH(@@@@@@@@)",
        [("a\\nb", "it's", 2)],
        "syntax/lexer#multiline-string-literals: @@@@ inside means @@",
    ),
    Golden(
        "LAG stays within its partition",
        "SELECT item, odd, LAG(item, 1) OVER w AS lag1 FROM ("
        " SELECT item, item % 2 AS odd FROM (SELECT AsList(1, 2, 3, 4, 5, 6, 7) AS item)"
        " FLATTEN BY item) WINDOW w AS (PARTITION BY odd ORDER BY item) ORDER BY odd, item",
        [(2, 0, None), (4, 0, 2), (6, 0, 4), (1, 1, None), (3, 1, 1), (5, 1, 3), (7, 1, 5)],
        "builtins/window#lag-lead: the example and its output",
    ),
    Golden(
        "ranks leave gaps, dense ranks do not",
        "SELECT id, RANK() OVER w, DENSE_RANK() OVER w, PERCENT_RANK() OVER w, CUME_DIST() OVER w,"
        " NTILE(2) OVER v FROM {src_0}"
        " WINDOW w AS (ORDER BY team DESC), v AS (ORDER BY id) ORDER BY id",
        [
            (1, 1, 1, 0.0, 0.75, 1),
            (2, 4, 2, 1.0, 1.0, 1),
            (3, 1, 1, 0.0, 0.75, 2),
            (4, 1, 1, 0.0, 0.75, 2),
        ],
        "builtins/window#rank: (RANK - 1) / (rows - 1); #ntile; #cume_dist",
    ),
    Golden(
        "a frame without an end stops at the current row and may be empty",
        "SELECT id, SUM(id) OVER (ORDER BY id ROWS 1 PRECEDING) AS two,"
        " SUM(id) OVER (ORDER BY id ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING) AS before,"
        " SUM(id) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS rest,"
        " SUM(id) OVER () AS total FROM {src_0} ORDER BY id",
        [(1, 1, None, 10, 10), (2, 3, 1, 9, 10), (3, 5, 3, 7, 10), (4, 7, 6, 4, 10)],
        "syntax/select/window#frame: the first row of 3 PRECEDING AND 1 PRECEDING has no frame",
    ),
    Golden(
        "NTH_VALUE and LAST_VALUE read the frame, IGNORE NULLS skips",
        "SELECT id, NTH_VALUE(name, 2) OVER w, LAST_VALUE(score) IGNORE NULLS OVER w,"
        " LAST_VALUE(score) OVER w FROM {src_0} WINDOW w AS (ORDER BY id) ORDER BY id",
        [(1, None, 7, 7), (2, "bob", 1, 1), (3, "bob", 28, 28), (4, "bob", 28, None)],
        "builtins/window#nth_value, first_value / last_value",
    ),
    Golden(
        "FLATTEN BY unpacks a list and drops an empty one",
        "SELECT value, id FROM (SELECT ['a', 'b', 'c'] AS value, 1u AS id UNION ALL"
        " SELECT ['d'] AS value, 2u AS id UNION ALL SELECT ListTake(['x'], 0) AS value, 3u AS id)"
        " FLATTEN BY (value) ORDER BY id, value",
        [("a", 1), ("b", 1), ("c", 1), ("d", 2)],
        "syntax/select/flatten#flatten-by: the source table and the resulting one",
    ),
    Golden(
        "FLATTEN LIST BY two columns gives every pair",
        'SELECT a, b FROM (SELECT AsList(1, 2, 3) AS a, AsList("x", "y", "z") AS b)'
        " FLATTEN LIST BY (a, b) ORDER BY a, b",
        [(number, letter) for number in (1, 2, 3) for letter in "xyz"],
        "syntax/select/flatten: a Cartesian product of the columns in parentheses",
    ),
    Golden(
        "FLATTEN OPTIONAL BY leaves out the rows with NULL",
        "SELECT id, score FROM {src_0} FLATTEN OPTIONAL BY score ORDER BY id",
        [(1, 7), (2, 1), (3, 28)],
        "syntax/select/flatten#flatten-by-specific-type: almost WHERE score IS NOT NULL",
    ),
    Golden(
        "GROUP BY can name an expression",
        "SELECT double_key, COUNT(*) AS n FROM {src_0} GROUP BY id % 2 + id % 2 AS double_key"
        " ORDER BY double_key",
        [(0, 2), (2, 2)],
        "syntax/select/group-by#examples: the second one",
    ),
    Golden(
        "ROLLUP adds subtotals from left to right and GROUPING tells them",
        "SELECT team, id, GROUPING(team, id) AS level, COUNT(*) AS n FROM {src_0} WHERE id < 4"
        " GROUP BY ROLLUP(team, id) ORDER BY level, team, id",
        [
            ("b", 2, 0, 1),
            ("r", 1, 0, 1),
            ("r", 3, 0, 1),
            ("b", None, 1, 1),
            ("r", None, 1, 2),
            (None, None, 3, 3),
        ],
        "syntax/select/group-by#rollup, #grouping: 1 is a subtotal without the last column",
    ),
    Golden(
        "CUBE takes every combination and GROUPING SETS the named ones",
        "SELECT * FROM (SELECT team, id, GROUPING(team, id) AS level FROM {src_0} WHERE id < 3"
        " GROUP BY CUBE(team, id) UNION ALL"
        " SELECT team, CAST(NULL AS Int32) AS id, 9 AS level FROM {src_0}"
        " WHERE id < 3 GROUP BY GROUPING SETS((team), ())) AS u ORDER BY level, team, id",
        [
            *[("b", 2, 0), ("r", 1, 0), ("b", None, 1), ("r", None, 1)],
            *[(None, 1, 2), (None, 2, 2), (None, None, 3)],
            *[(None, None, 9), ("b", None, 9), ("r", None, 9)],
        ],
        "syntax/select/group-by#rollup",
    ),
    Golden(
        "BOOL_AND, BOOL_OR and BOOL_XOR do not skip NULL",
        "SELECT BOOL_AND(nonNull), BOOL_AND(nonFalse), BOOL_AND(nonTrue), BOOL_AND(anyVal),"
        " BOOL_OR(nonNull), BOOL_OR(nonFalse), BOOL_OR(nonTrue), BOOL_OR(anyVal),"
        " BOOL_XOR(nonNull), BOOL_XOR(nonFalse), BOOL_XOR(nonTrue), BOOL_XOR(anyVal)"
        f" FROM {BOOLEANS}",
        [(False, None, False, False, True, True, None, True, True, None, None, None)],
        "builtins/aggregation#bool-and-or-xor: the example, its data and its results",
    ),
    Golden(
        "BIT_AND, BIT_OR and BIT_XOR work on all values",
        "SELECT BIT_AND(score), BIT_OR(score), BIT_XOR(score) FROM {src_0} WHERE id != 3",
        [(7 & 1, 7 | 1, 7 ^ 1)],
        "builtins/aggregation#bit-and-or-xor: NULL is skipped",
    ),
    Golden(
        "TOP and BOTTOM give the greatest and the least values",
        "SELECT ListSort(TOP(id, 2)), ListSort(BOTTOM(id, 3)) FROM {src_0}",
        [([3, 4], [1, 2, 3])],
        "builtins/aggregation#top-bottom",
    ),
    Golden(
        "AGGREGATE_LIST has a limit and a form for distinct values",
        "SELECT ListLength(AGGREGATE_LIST(id, 3)), ListLength(AGGREGATE_LIST(id, 0)),"
        " ListSort(AGGREGATE_LIST_DISTINCT(team)), ListLength(AGG_LIST_DISTINCT(team, 1))"
        " FROM {src_0}",
        [(3, 4, ["b", "r"], 1)],
        "builtins/aggregation#agg-list: a limit of zero is none",
    ),
    Golden(
        "a list of a group can be joined to a text",
        "SELECT team, String::JoinFromList(ListSort(AGGREGATE_LIST(name)), ',') AS names,"
        " SOME(team) AS s FROM {src_0} GROUP BY team ORDER BY team",
        [("b", "bob", "b"), ("r", "ann,cy,dee", "r")],
        "builtins/aggregation#agg-list: the equivalent of GROUP_CONCAT; #some",
    ),
    Golden(
        "MIN_BY takes the value beside the least key",
        "SELECT MIN_BY(name, LENGTH(name)), MAX_BY(id, score) FROM {src_0}",
        [("cy", 3)],
        "builtins/aggregation#max-min-by",
    ),
    Golden(
        "JSON_VALUE returns text unless told otherwise, and NULL for another type",
        FRIENDS + 'SELECT JSON_VALUE($json, "$.friends[0].age"),'
        ' JSON_VALUE($json, "$.friends[0].age" RETURNING Uint64),'
        ' JSON_VALUE($json, "$.friends[0].age" RETURNING Utf8),'
        ' JSON_VALUE($json, "$.friends[0].name" RETURNING Int64),'
        ' JSON_VALUE($json, "$.friends[50].name"), JSON_VALUE($json, "$.friends[0]")',
        [("35", 35, None, None, None, None)],
        "builtins/json#json_value: the examples, and NULL ON EMPTY and NULL ON ERROR",
    ),
    Golden(
        "JSON_EXISTS is false on an error",
        CREW + 'SELECT JSON_EXISTS($json, "$.title"), JSON_EXISTS($json, "$.nonexistent"),'
        ' JSON_EXISTS($json, "strict $.nonexistent"), JSON_EXISTS($json, "$.crew[3]"),'
        ' JSON_EXISTS(NULL, "$.a")',
        [(True, False, False, True, None)],
        "builtins/json#json_exists: the examples; FALSE ON ERROR; NULL stays",
    ),
    Golden(
        "JSON_QUERY takes objects and arrays and nothing else",
        FRIENDS + 'SELECT JSON_VALUE(JSON_QUERY($json, "$.friends[0]"), "$.name"),'
        ' JSON_QUERY($json, "$.friends[0].name"), JSON_QUERY($json, "$.friends[9]"),'
        ' JSON_VALUE(JSON_QUERY($json, "$.friends"), "$[1].age" RETURNING Int64)',
        [("James Holden", None, None, 30)],
        "builtins/json#json_query: WITHOUT WRAPPER, NULL ON EMPTY and NULL ON ERROR",
    ),
    Golden(
        "lists are flattened, extended, made and asked",
        "SELECT ListFlatten([[1,2],[3,4]]), ListFlatten([null,[3,4],[5,6]]),"
        " ListExtend([1], [2], [3]), ListExtend([1], NULL), ListFromRange(-2, 2),"
        " ListReplicate(true, 3), ListNotNull([3,null,4]), ListAny([false, true]),"
        " ListAll([true, NULL]), ListAll([true])",
        [
            (
                *([1, 2, 3, 4], [3, 4, 5, 6], [1, 2, 3], None, [-2, -1, 0, 1]),
                *([True, True, True], [3, 4], True, False, True),
            )
        ],
        "builtins/list: #listflatten, #listextend, #listfromrange, #listreplicate, #listany",
    ),
    Golden(
        "Unicode functions count code points",
        'SELECT Unicode::GetLength("\u0436\u043d\u0456\u045e\u043d\u044f"),'
        ' Unicode::Substring("0123456789abcdefghij", 10), Unicode::Find("aaa", "bb"),'
        ' Unicode::Find("\u00e9x", "x"), Unicode::RemoveAll("abandon", "an"),'
        ' Unicode::JoinFromList(["One", "two", "three"], ";"), Unicode::Substring("abc", 9, 1)',
        [(6, "abcdefghij", None, 1, "bdo", "One;two;three", "")],
        "udf/unicode: the examples of each function",
    ),
    Golden(
        "String functions find, strip and encode",
        'SELECT String::Base64Encode("YQL"), String::Strip("YQL "), String::Find("abc", "z"),'
        ' String::Find("abc", "c"), String::RemoveAll("a-b-c", "-"),'
        ' String::Substring("abc", 1, 1)',
        [("WVFM", "YQL", -1, 2, "abc", "b")],
        "udf/string: the examples; Find gives -1; RemoveAll takes a set of characters",
    ),
    Golden(
        "moments are made, read and converted",
        "SELECT DateTime::MakeTimestamp(DateTime::Split(Datetime('2019-01-01T15:30:00Z'))),"
        " DateTime::MakeDate(Datetime('2019-01-01T15:30:00Z')), DateTime::FromSeconds(1546304523),"
        " DateTime::ToMicroseconds(Timestamp('2019-01-01T01:02:03.456789Z')),"
        " DateTime::ToSeconds(Date('2019-09-16'))",
        [
            (
                *(at(2019, 1, 1, 15, 30), date(2019, 1, 1), at(2019, 1, 1, 1, 2, 3)),
                *(1546304523456789, 1568592000),
            )
        ],
        "udf/datetime#make, #to, #standard-scenarios: the examples",
    ),
    Golden(
        "parts of a moment have numbers and names",
        "SELECT DateTime::GetDayOfMonth(Date('2019-01-09')),"
        " DateTime::GetMonthName(Date('2019-01-09')), DateTime::GetYear(Date('2019-01-09')),"
        " DateTime::GetDayOfWeekName(Date('2019-01-09')),"
        " DateTime::GetMicrosecondOfSecond(Timestamp('2019-01-01T01:02:03.456789Z'))",
        [(9, "January", 2019, "Wednesday", 456789)],
        "udf/datetime#get: the example, in UTC",
    ),
    Golden(
        "periods start and end",
        "SELECT DateTime::MakeDate(DateTime::StartOfYear(Date('2019-06-06'))),"
        " DateTime::MakeDatetime(DateTime::StartOfQuarter(Datetime('2019-06-06T01:02:03Z'))),"
        " DateTime::MakeDate(DateTime::StartOfMonth(Timestamp('2019-06-06T01:02:03.456789Z'))),"
        " DateTime::MakeDate(DateTime::StartOfWeek(Date('1970-01-01'))),"
        " DateTime::MakeTimestamp(DateTime::StartOfWeek(Date('2019-01-01'))),"
        " DateTime::MakeDatetime(DateTime::StartOfDay(Datetime('2019-06-06T01:02:03Z'))),"
        " DateTime::MakeDate(DateTime::EndOfMonth(Date('2024-02-10')))",
        [
            (
                *(date(2019, 1, 1), at(2019, 4, 1), date(2019, 6, 1), None),
                *(at(2018, 12, 31), at(2019, 6, 6), date(2024, 2, 29)),
            )
        ],
        "udf/datetime#startof: the examples",
    ),
    Golden(
        "shifted months end at the last day of the month",
        TM + "SELECT DateTime::MakeDate(DateTime::ShiftYears($tm, 10)),"
        " DateTime::MakeDate(DateTime::ShiftQuarters($tm, -3)),"
        " DateTime::MakeDate(DateTime::ShiftMonths($tm, 1)),"
        " DateTime::MakeDate(DateTime::ShiftMonths($tm, -35)),"
        " DateTime::MakeDate(DateTime::ShiftYears($tm, -100))",
        [(date(2029, 1, 31), date(2018, 4, 30), date(2019, 2, 28), date(2016, 2, 29), None)],
        "udf/datetime#shift: the examples; NULL beyond the limits",
    ),
    Golden(
        "unsigned integers divide as integers do",
        "SELECT 7u / 2u, 7ul % 4ul, 255ut / 2ut, CAST(7 AS Uint64) / CAST(0 AS Uint64)",
        [(3, 3, 127, None)],
        "syntax/expressions#math-operators: operators keep the type of integers",
    ),
    Golden(
        "LEFT ONLY subtracts and LEFT SEMI keeps what matches",
        "SELECT a.id AS id, 'only' AS kind FROM {src_0} AS a LEFT ONLY JOIN {src_1} AS b"
        " ON a.team = b.team UNION ALL SELECT a.id AS id, 'semi' AS kind FROM {src_0} AS a"
        " LEFT SEMI JOIN {src_1} AS b ON a.team = b.team",
        [(2, "only"), (1, "semi"), (3, "semi"), (4, "semi")],
        "syntax/select/join#types-of-join",
    ),
    Golden(
        "FULL keeps both sides and CROSS takes every pair",
        "SELECT COUNT(*) AS n, COUNT(a.id) AS l, COUNT(b.city) AS r FROM {src_0} AS a"
        " FULL JOIN {src_1} AS b USING (team) UNION ALL SELECT COUNT(*) AS n, 0 AS l, 0 AS r"
        " FROM {src_0} AS a CROSS JOIN {src_1} AS b",
        [(6, 4, 5), (12, 0, 0)],
        "syntax/select/join: FULL = LEFT + RIGHT; NULL keys match nothing; CROSS",
    ),
    Golden(
        "the columns of a union are all that a side has",
        "SELECT x, y, z FROM (SELECT 1 AS x UNION ALL SELECT 2 AS y UNION ALL SELECT 3 AS z) AS u"
        " ORDER BY x, y, z",
        [(None, None, 3), (None, 2, None), (1, None, None)],
        "syntax/select/union#union-all: the example, by name",
    ),
    Golden(
        "ORDER BY takes expressions and several criteria",
        "SELECT id FROM {src_0} ORDER BY team DESC, LENGTH(name) ASC, id DESC",
        [(3,), (4,), (1,), (2,)],
        "syntax/select/order_by: left to right, ASC by default",
    ),
    Golden(
        "a sample may be repeated and may be empty",
        "SELECT COUNT(*) AS n FROM {src_2} TABLESAMPLE BERNOULLI(0.0) REPEATABLE(123)"
        " UNION ALL SELECT COUNT(*) AS n FROM {src_2} SAMPLE 1",
        [(0,), (5000,)],
        "syntax/select/sample: percent and fraction",
    ),
    Golden(
        "the condition of WHERE may be any expression over the columns",
        "SELECT * WITHOUT name, note, data, tags, doc FROM {src_0}"
        " WHERE score > 5 AND team = 'r' ORDER BY id",
        [(1, "r", 7), (3, "r", 28)],
        "the operation page's sample query: SELECT * FROM {src_0} WHERE condition",
    ),
    Golden(
        "HAVING filters groups by their aggregates",
        "SELECT team FROM {src_0} GROUP BY team HAVING COUNT(score) > 1",
        [("r",)],
        "syntax/select/group-by#having: the example",
    ),
    Golden(
        "Ensure gives the value and ends the query where it is wrong",
        "SELECT Ensure(id, id < 100, 'out of range') AS value FROM {src_0} WHERE id = 1",
        [(1,)],
        "builtins/basic#ensure: the example",
    ),
]


@pytest.mark.parametrize("golden", parameters(GOLDENS))
def test_means_what_ydb_documents(run, golden):
    check_golden(run(golden.query), golden)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("SELECT Unwrap(note, 'no note') FROM {src_0}", "no note", id="Unwrap of NULL"),
        pytest.param(
            "SELECT Ensure(id, id < 2, 'too large') FROM {src_0}", "too large", id="Ensure"
        ),
        pytest.param(
            "SELECT 'a' || id FROM {src_0}", r"(?i)\|\| takes strings", id="text and number"
        ),
        pytest.param("SELECT tags || tags FROM {src_0}", r"(?i)takes strings", id="lists with ||"),
        pytest.param(
            "SELECT '\u00e9' REGEXP '^..$'", "counts bytes", id="ASCII pattern, other text"
        ),
        pytest.param("SELECT String::JoinFromList(tags, ',') FROM {src_0}", "NULL", id="join NULL"),
    ],
)
def test_what_ydb_refuses_or_counts_otherwise_ends_the_query(run, query, message):
    with pytest.raises(duckdb.Error, match=message):
        run(query)


def test_a_pattern_that_counts_nothing_matches_any_text(run):
    query = "SELECT 'a\u00e9b' REGEXP 'a.*b', '\u00e9.' REGEXP '[.]', '\u00e9' MATCH '\u00e9'"
    assert run(query) == [(True, True, True)]
