"""The policy for plain DuckDB SQL: what runs, and what is no way out of it."""

import duckdb
import pytest

from outlast.kinds.yql import QueryRefused, check_duckdb


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT id, name FROM {src_0} WHERE id < 3 ORDER BY id", [(1, "ann"), (2, "bob")]),
        ("FROM {src_3} SELECT count(*)", [(3,)]),
        ("WITH a AS (SELECT id FROM {src_0}) SELECT max(a.id) FROM a", [(4,)]),
        ("WITH A AS (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT x FROM B", [(1,)]),
        ("SELECT * FROM (VALUES (1), (2)) AS v(x) ORDER BY x DESC", [(2,), (1,)]),
        ("SELECT list_transform([1, 2], lambda x: x + 1), {'a': 1}.a", [([2, 3], 1)]),
        ("SELECT count(*) FILTER (WHERE id > 1), sum(DISTINCT id) FROM {src_3}", [(1, 10)]),
        ("SELECT unnest([1, 2]) AS x ORDER BY x", [(1,), (2,)]),
        ("SELECT id FROM {src_0} QUALIFY row_number() OVER (ORDER BY id DESC) = 1", [(4,)]),
        ("SELECT CAST('12' AS INTEGER), '1.5'::DOUBLE, TRY_CAST('x' AS DATE)", [(12, 1.5, None)]),
        ("SELECT 'it''s {src_9}', 1 -- {src_8}\n /* {src_7} */ ;", [("it's {src_9}", 1)]),
        ("SELECT t.id FROM {src_0} t JOIN {src_3} u USING (id) GROUP BY ALL", [(1,)]),
        ("SELECT EXTRACT(year FROM DATE '2020-05-01'), 7 / 2, 7 // 2", [(2020, 3.5, 3)]),
        ("SELECT doc->'$.a'->>'b' FROM {src_0} WHERE id = 1", [("1",)]),
        ("SELECT 1 UNION ALL SELECT 1 EXCEPT SELECT 2", [(1,)]),
        ("SELECT id FROM {src_0} ORDER BY score DESC NULLS LAST LIMIT 1", [(3,)]),
        ("SELECT string_agg(name, ',' ORDER BY id) FROM {src_0} WHERE id < 3", [("ann,bob",)]),
    ],
    ids=lambda value: value[:70] if isinstance(value, str) else "",
)
def test_runs(connection, query, rows):
    assert connection.sql(check_duckdb(query, 4)).fetchall() == rows


@pytest.mark.parametrize(
    ("query", "construct"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "function read_csv"),
        ("SELECT * FROM read_text('/etc/passwd')", "function read_text"),
        ("SELECT read_text('/etc/passwd')", "function read_text"),
        ("SELECT main.read_text('/etc/passwd')", "function read_text"),
        ("SELECT \"read_text\"('/etc/passwd')", "function read_text"),
        ('SELECT "main"."read_text"(\'/etc/passwd\')', "function read_text"),
        ("SELECT system.main.read_text('x')", "function read_text"),
        ("SELECT abs.read_text('x')", "function read_text"),
        ("SELECT main.abs(1)", "function abs"),
        ("SELECT ('x').getenv()", "function getenv"),
        ("SELECT * FROM 'file.parquet'", "table file.parquet"),
        ('SELECT * FROM "x.csv"', "table x.csv"),
        ("SELECT * FROM glob('*')", "function glob"),
        ("SELECT * FROM sniff_csv('x')", "function sniff_csv"),
        ("SELECT * FROM parquet_metadata('x')", "function parquet_metadata"),
        ("SELECT * FROM duckdb_secrets()", "function duckdb_secrets"),
        ("SELECT * FROM duckdb_settings()", "function duckdb_settings"),
        ("SELECT * FROM duckdb_settings", "table duckdb_settings"),
        ("SELECT * FROM pragma_database_list", "table pragma_database_list"),
        ("SELECT * FROM sqlite_master", "table sqlite_master"),
        ("SELECT * FROM pg_catalog.pg_class", "table pg_class"),
        ("SELECT * FROM information_schema.tables", "table tables"),
        ("SELECT * FROM src_0", "table src_0"),
        ("SELECT * FROM main.src_0", "table src_0"),
        ("SELECT * FROM memory.main.people", "table people"),
        ("SELECT * FROM {src_4}", "placeholder {src_4}"),
        ("SELECT {src_0} FROM {src_0}", "placeholder {src_0}"),
        ("SELECT * FROM main.{src_0}", "table src_0"),
        ("SELECT * FROM query('SELECT 1')", "function query"),
        ("SELECT * FROM query_table('people')", "function query_table"),
        ("SELECT getvariable('x')", "function getvariable"),
        ("SELECT getenv('HOME')", "function getenv"),
        ("SELECT current_setting('memory_limit')", "function current_setting"),
        ("SELECT pg_typeof(1)", "function pg_typeof"),
        ("SELECT current_user()", "function current_user"),
        ("SELECT nextval('s')", "function nextval"),
        ("SELECT getdatabase()", "function getdatabase"),
        ("SELECT COLUMNS('id') FROM {src_0}", "function COLUMNS"),
        ("SELECT COLUMNS(lambda c: c LIKE 'i%') FROM {src_0}", "function COLUMNS"),
        ("SELECT (SELECT (SELECT read_blob('x')))", "function read_blob"),
        ("SELECT 1 IN (SELECT content FROM read_text('x'))", "function read_text"),
        ("WITH a AS (SELECT * FROM 'x.csv') SELECT 1", "table x.csv"),
        ('WITH "x.csv" AS (SELECT 1) SELECT * FROM "x.csv"', "WITH x.csv"),
        ("SELECT * FROM range(10)", "function range"),
        ("SELECT 1; SELECT 2", "statement"),
        ("ATTACH 'x.db' AS x", "statement ATTACH"),
        ("COPY (SELECT 1) TO '/tmp/x'", "statement COPY"),
        ("PRAGMA version", "statement PRAGMA"),
        ("SET memory_limit = '1TB'", "statement SET"),
        ("INSTALL httpfs", "statement INSTALL"),
        ("LOAD httpfs", "statement LOAD"),
        ("CALL pragma_version()", "statement CALL"),
        ("EXPORT DATABASE 'x'", "statement EXPORT"),
        ("CREATE TABLE x (a INT)", "statement CREATE"),
        ("CREATE MACRO f(x) AS x", "statement CREATE"),
        ("DROP VIEW src_0", "statement DROP"),
        ("INSERT INTO people SELECT 1", "statement INSERT"),
        ("DESCRIBE {src_0}", "statement DESCRIBE"),
        ("SUMMARIZE {src_0}", "statement SUMMARIZE"),
        ("EXPLAIN SELECT 1", "statement EXPLAIN"),
        ("VALUES (1)", "statement VALUES"),
        ("", "statement"),
        ("SELECT 1 AS a UNION (CALL x())", "syntax"),
        ("SELECT $1", "character '$'"),
        ("SELECT $$a$$", "character '$'"),
        ("SELECT E'a'", "string literal"),
        ("SELECT ?", "character '?'"),
        ("SELECT 'abc", 'character "\'"'),
        ("SELECT 1 /* /* */", "comment"),
        ("SELECT " + "(" * 40 + "1" + ")" * 40, "bracket '('"),
    ],
    ids=lambda value: value[:70] or "nothing at all",
)
def test_refuses(query, construct):
    with pytest.raises(QueryRefused) as caught:
        check_duckdb(query, 4)
    assert caught.value.construct == construct
    assert caught.value.message.startswith("DuckDB SQL: ")


def test_a_name_of_with_means_nothing_outside_of_its_query(connection):
    query = "SELECT * FROM (WITH duckdb_settings AS (SELECT 1) SELECT 1) AS x, duckdb_settings"
    with pytest.raises(duckdb.CatalogException):
        connection.sql(check_duckdb(query, 4))


def test_the_place_of_a_refusal_counts_from_one():
    with pytest.raises(QueryRefused) as caught:
        check_duckdb("SELECT 1,\n  getenv('HOME')", 0)
    assert (caught.value.line, caught.value.column) == (2, 3)
