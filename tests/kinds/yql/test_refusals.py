"""YQL statements that are refused, each with the construct named and its place."""

from dataclasses import dataclass

import pytest

from outlast.kinds.yql import QueryRefused, translate


@dataclass(frozen=True)
class Refusal:
    """A statement, what is refused in it, and where."""

    says: str
    query: str
    construct: str
    line: int = 1
    column: int = 1


REFUSALS = [
    Refusal("PRAGMA", "PRAGMA x = '1'; SELECT 1", "statement PRAGMA"),
    Refusal("DECLARE", "DECLARE $x AS Int32; SELECT $x", "statement DECLARE"),
    Refusal("DISCARD", "DISCARD SELECT 1", "statement DISCARD"),
    Refusal("INSERT", "INSERT INTO t SELECT 1", "statement INSERT"),
    Refusal("UPSERT", "UPSERT INTO t SELECT 1", "statement UPSERT"),
    Refusal("REPLACE", "REPLACE INTO t SELECT 1", "statement REPLACE"),
    Refusal("DELETE", "DELETE FROM t", "statement DELETE"),
    Refusal("UPDATE", "UPDATE t SET a = 1", "statement UPDATE"),
    Refusal("CREATE", "CREATE TABLE t (a Int32)", "statement CREATE"),
    Refusal("DROP", "DROP TABLE t", "statement DROP"),
    Refusal("COMMIT", "SELECT 1;\n COMMIT", "second statement", 2, 2),
    Refusal("PROCESS", "PROCESS t USING f()", "statement PROCESS"),
    Refusal("REDUCE", "REDUCE t ON k USING f()", "statement REDUCE"),
    Refusal("EVALUATE", "EVALUATE IF true DO $a()", "statement EVALUATE"),
    Refusal("DEFINE ACTION", "DEFINE ACTION $a() AS SELECT 1; END DEFINE", "statement DEFINE"),
    Refusal("USE", "USE db; SELECT 1", "statement USE"),
    Refusal("ATTACH", "ATTACH 'x' AS y", "statement ATTACH"),
    Refusal("COPY", "COPY t TO 'x'", "statement COPY"),
    Refusal("a second SELECT", "SELECT 1; SELECT 2", "second statement", 1, 11),
    Refusal("an empty query", "  -- nothing\n;", "query", 1, 1),
    Refusal("a query of names only", "$x = 1;", "named expression $x"),
    Refusal("unpacking a tuple", "$a, $b = AsTuple(1, 2); SELECT 1", "statement $a"),
    Refusal("a name that is not defined", "SELECT\n $x", "name $x", 2, 2),
    Refusal("WITH", "WITH a AS (SELECT 1) SELECT 1", "WITH"),
    Refusal("table hints", "SELECT 1 FROM {src_0} WITH inline", "WITH", 1, 23),
    Refusal("a source that is not there", "SELECT 1 FROM {src_7}", "placeholder {src_7}", 1, 15),
    Refusal("a padded source number", "SELECT 1 FROM {src_00}", "placeholder {src_00}", 1, 15),
    Refusal(
        "a placeholder as a column", "SELECT {src_0} FROM {src_0}", "placeholder {src_0}", 1, 8
    ),
    Refusal(
        "a placeholder as a qualifier",
        "SELECT {src_0}.id FROM {src_0}",
        "placeholder {src_0}",
        1,
        8,
    ),
    Refusal("a placeholder as an alias", "SELECT 1 AS {src_1}", "placeholder {src_1}", 1, 13),
    Refusal("a view by its name", "SELECT 1 FROM src_0", "table src_0", 1, 15),
    Refusal("a view by its quoted name", "SELECT 1 FROM `src_0`", "table `src_0`", 1, 15),
    Refusal("any table", "SELECT * FROM users", "table users", 1, 15),
    Refusal(
        "a system schema",
        "SELECT * FROM information_schema.tables",
        "table information_schema.tables",
        1,
        15,
    ),
    Refusal("a system function", "SELECT * FROM duckdb_settings()", "table duckdb_settings", 1, 15),
    Refusal("a file by name", "SELECT * FROM `/etc/passwd`", "table `/etc/passwd`", 1, 15),
    Refusal("read_csv in FROM", "SELECT * FROM read_csv('/etc/passwd')", "table read_csv", 1, 15),
    Refusal("read_text in SELECT", "SELECT read_text('x')", "function read_text", 1, 8),
    Refusal("getenv", "SELECT a, getenv('HOME')", "function getenv", 1, 11),
    Refusal("a quoted function", "SELECT `getenv`('HOME')", "quoted function name", 1, 8),
    Refusal("a function of a name", "SELECT main.getenv('HOME')", "DOT", 1, 8),
    Refusal("a module that is unknown", "SELECT Yson::Parse(1)", "function Yson::Parse", 1, 8),
    Refusal(
        "a module function in another case",
        "SELECT string::strip('a')",
        "function string::strip",
        1,
        8,
    ),
    Refusal("a callable", "SELECT Re2::Grep('x')(s)", "callable Re2::Grep(...)(...)", 1, 8),
    Refusal("MEDIAN", "SELECT id,\n  MEDIAN(x) FROM {src_0}", "function MEDIAN", 2, 3),
    Refusal("PERCENTILE", "SELECT PERCENTILE(x, 0.5)", "function PERCENTILE", 1, 8),
    Refusal("HISTOGRAM", "SELECT HISTOGRAM(x)", "function HISTOGRAM", 1, 8),
    Refusal("TOP", "SELECT TOP(x, 3)", "function TOP", 1, 8),
    Refusal("GREATEST", "SELECT GREATEST(1, NULL)", "function GREATEST", 1, 8),
    Refusal("too many arguments", "SELECT LENGTH('a', 'b')", "function LENGTH", 1, 8),
    Refusal("DISTINCT of an expression", "SELECT COUNT(DISTINCT a + 1)", "DISTINCT in COUNT", 1, 8),
    Refusal("a window function without OVER", "SELECT LAG(a)", "function LAG", 1, 8),
    Refusal(
        "a RANGE frame",
        "SELECT SUM(a) OVER (ORDER BY b RANGE 1 PRECEDING)",
        "RANGE frame",
        1,
        38,
    ),
    Refusal("a window that is not defined", "SELECT SUM(a) OVER w", 'window "w"', 1, 8),
    Refusal("FILTER", "SELECT COUNT(a) FILTER (WHERE a > 1)", "FILTER", 1, 8),
    Refusal(
        "ORDER BY a number", "SELECT a FROM {src_0} ORDER BY 1", "ORDER BY with a number", 1, 32
    ),
    Refusal("NULLS LAST", "SELECT a FROM {src_0} ORDER BY a NULLS LAST", "NULLS LAST", 1, 40),
    Refusal(
        "GROUP BY a number", "SELECT 1 FROM {src_0} GROUP BY 1", "GROUP BY with a number", 1, 32
    ),
    Refusal("ROLLUP", "SELECT a FROM {src_0} GROUP BY ROLLUP(a)", "ROLLUP of GROUP", 1, 39),
    Refusal("SELECT * beside GROUP BY", "SELECT * FROM {src_0} GROUP BY a", "SELECT *", 1, 8),
    Refusal(
        "SELECT * over a JOIN",
        "SELECT * FROM {src_0} AS a JOIN {src_1} AS b ON a.x = b.x",
        "SELECT *",
        1,
        8,
    ),
    Refusal("a column selected twice", "SELECT a.x, b.x FROM {src_0} AS a", 'column "x"', 1, 13),
    Refusal(
        "a JOIN by inequality",
        "SELECT 1 FROM {src_0} AS a JOIN {src_1} AS b ON a.x > b.x",
        "JOIN ... ON",
        1,
        49,
    ),
    Refusal(
        "EXCLUSION JOIN",
        "SELECT 1 FROM {src_0} AS a EXCLUSION JOIN {src_1} AS b ON a.x = b.x",
        "EXCLUSION JOIN",
        1,
        43,
    ),
    Refusal("a comma join", "SELECT 1 FROM {src_0}, {src_1}", "JOIN without ON", 1, 24),
    Refusal("FLATTEN DICT BY", "SELECT 1 FROM {src_0} FLATTEN DICT BY a", "FLATTEN DICT BY", 1, 15),
    Refusal(
        "FLATTEN BY two columns",
        "SELECT 1 FROM {src_0} FLATTEN BY (a, b)",
        "FLATTEN BY of several columns",
        1,
        15,
    ),
    Refusal("FLATTEN COLUMNS", "SELECT 1 FROM {src_0} FLATTEN COLUMNS", "FLATTEN COLUMNS", 1, 15),
    Refusal("SAMPLE of 50", "SELECT 1 FROM {src_0} SAMPLE 50", "sample size", 1, 30),
    Refusal(
        "NOT IN a subquery",
        "SELECT 1 FROM {src_0} WHERE a NOT IN (SELECT 1)",
        "IN with a subquery or a list",
        1,
        29,
    ),
    Refusal("IN with NULL", "SELECT a IN (1, NULL)", "IN", 1, 8),
    Refusal(
        "ORDER BY after UNION",
        "SELECT 1 AS a UNION ALL SELECT 2 AS a ORDER BY a",
        "ORDER BY",
        1,
        48,
    ),
    Refusal("EXCEPT", "SELECT 1 EXCEPT SELECT 2", "EXCEPT", 1, 8),
    Refusal("CAST to Yson", "SELECT CAST(a AS Yson)", "CAST to Yson", 1, 18),
    Refusal("CAST to a DuckDB type", "SELECT CAST(a AS VARCHAR)", "CAST to VARCHAR", 1, 18),
    Refusal("a struct", "SELECT <|a: 1|>", "STRUCT LITERAL", 1, 10),
    Refusal("a tuple", "SELECT (1, 2)", "TUPLE", 1, 9),
    Refusal("shifts", "SELECT 1 << 2", "BITWISE LEFT SHIFT", 1, 8),
    Refusal("a day that does not exist", "SELECT Date('2024-02-30')", "Date(...)", 1, 8),
    Refusal("bytes that are no text", r"SELECT '\xff'", "string literal", 1, 8),
    Refusal("a string that is not closed", "SELECT\n'abc", "string literal", 2, 1),
    Refusal("a comment that is not closed", "SELECT 1 /* abc", "comment", 1, 10),
    Refusal("a suffix that YQL does not know", "SELECT 12x", "number suffix 'x'", 1, 8),
    Refusal("a number that does not fit", "SELECT 300ut", "number literal 300", 1, 8),
    Refusal("a character outside of YQL", "SELECT \u2603", "character '\u2603'", 1, 8),
    Refusal("a bracket that is not closed", "SELECT (1", "bracket '('", 1, 8),
    Refusal("a bracket that closes nothing", "SELECT 1)", "bracket ')'", 1, 9),
    Refusal("a JSON path with a wildcard", "SELECT JSON_VALUE(a, '$.*')", "JSON path '$.*'", 1, 19),
    Refusal("NOT without brackets", "SELECT NOT a = b", "operator =", 1, 14),
    Refusal("?? beside ||", "SELECT a ?? b || c", "operator ||", 1, 15),
    Refusal("|| beside *", "SELECT a * b || c", "operator ||", 1, 14),
    Refusal("a comparison beside IS NULL", "SELECT a < b IS NULL", "operator IS", 1, 14),
    Refusal("a syntax error", "SELECT\n a b c", "syntax near 'c'", 2, 6),
]


@pytest.mark.parametrize("refusal", [pytest.param(case, id=case.says) for case in REFUSALS])
def test_refuses(refusal: Refusal):
    with pytest.raises(QueryRefused) as caught:
        translate(refusal.query, 2)
    assert caught.value.construct == refusal.construct
    assert (caught.value.line, caught.value.column) == (refusal.line, refusal.column)
    assert caught.value.message.startswith("YQL subset: ")
    assert refusal.construct in caught.value.message
    assert str(caught.value) == caught.value.message
