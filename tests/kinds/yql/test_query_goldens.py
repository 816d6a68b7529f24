"""YQL queries, clause by clause, and the rows that YDB's documentation says they have.

Each case names the rule it rests on. The tables stand in `conftest.py`.
"""

from math import nan

import duckdb
import pytest
from yql_goldens import Golden, check_golden, parameters

from outlast.kinds.yql import translate

GOLDENS = [
    Golden(
        "NULL is the least value in either direction",
        "SELECT id FROM {src_0} ORDER BY score ASC, id",
        [(4,), (2,), (1,), (3,)],
        "order_by: an empty optional sorts before every value",
    ),
    Golden(
        "NULL comes last when the order descends",
        "SELECT id FROM {src_0} ORDER BY score DESC, id",
        [(3,), (1,), (2,), (4,)],
        "order_by: DESC is the reverse of ASC",
    ),
    Golden(
        "a SAMPLE is a fraction",
        "SELECT COUNT(*) FROM {src_2} SAMPLE 1.0",
        [(5000,)],
        "sample: SAMPLE takes a fraction, so 1.0 is everything",
    ),
    Golden(
        "a TABLESAMPLE is in percent",
        "SELECT COUNT(*) FROM {src_2} TABLESAMPLE BERNOULLI(100.0) REPEATABLE(1)",
        [(5000,)],
        "sample: TABLESAMPLE takes percent",
    ),
    Golden(
        "half a SAMPLE is about half of the rows",
        "SELECT COUNT(*) BETWEEN 2000 AND 3000 FROM {src_2} SAMPLE 1.0 / 2",
        [(True,)],
        "sample: the example SAMPLE 1.0 / 3 is one third",
    ),
    Golden(
        "named expressions stand for values and subqueries",
        "$least = 1; $good = (SELECT id, name FROM {src_0} WHERE score > $least);"
        " $least = 100; SELECT g.name FROM $good AS g ORDER BY name",
        [("ann",), ("cy",)],
        "expressions: named expressions, and that redefining hides only from there on",
    ),
    Golden(
        "a named subquery of one row is a scalar",
        "$best = (SELECT MAX(score) FROM {src_0}); SELECT id FROM {src_0} WHERE score = $best",
        [(3,)],
        "expressions: a named expression is substituted at the point of use",
    ),
    Golden(
        "a lambda may be named and called",
        "$f = ($x, $y) -> { $z = $x * 10; RETURN $z + $y; }; SELECT $f(id, 1) FROM {src_0}"
        " ORDER BY column0 LIMIT 2",
        [(11,), (21,)],
        "expressions: lambda functions; unnamed columns are column0, column1 ...",
    ),
    Golden(
        "aggregates skip NULL and count conditions",
        "SELECT COUNT(*), COUNT(score), COUNT_IF(score > 5), SUM(score), SUM_IF(score, id = 1),"
        " AVG(score), AVG_IF(score, id < 3), COUNT(DISTINCT team), MIN(score), MAX(score)"
        " FROM {src_0}",
        [(4, 3, 2, 36, 7, 12.0, 4.0, 2, 1, 28)],
        "aggregation: COUNT, COUNT_IF, SUM_IF and AVG_IF",
    ),
    Golden(
        "COUNT_IF of no match is zero and not NULL",
        "SELECT COUNT_IF(score > 5), SUM(score), COUNT(*) FROM {src_0} WHERE id = 4",
        [(0, None, 1)],
        "aggregation: COUNT_IF takes NULL for false",
    ),
    Golden(
        "MAX_BY gives the value of the row, also when it is NULL",
        "SELECT MAX_BY(note, score), MIN_BY(name, score), MAX_BY(name, CAST(NULL AS Int32))"
        " FROM {src_0}",
        [(None, "bob", None)],
        "aggregation: the value of the row where the second argument is greatest; all NULL is NULL",
    ),
    Golden(
        "the sample variance of one value is not a number",
        "SELECT VARIANCE(score), STDDEV_POPULATION(score), VARIANCE(id) FROM {src_0} WHERE id = 1",
        [(nan, 0.0, nan)],
        "aggregation: sample variance divides by count - 1 as Double (aggregate.yqls)",
    ),
    Golden(
        "AGGREGATE_LIST leaves out NULL",
        "SELECT ListSort(AGGREGATE_LIST(score)), ListSort(AGGREGATE_LIST(DISTINCT team)),"
        " AGGREGATE_LIST(note) FROM {src_0} WHERE id > 1",
        [([1, 28], ["b", "r"], [])],
        "group_by: aggregate functions ignore NULL; aggregation: AGGREGATE_LIST",
    ),
    Golden(
        "GROUP BY names a key that WHERE, SELECT and HAVING know",
        "SELECT initial, COUNT(*) AS n FROM {src_0} WHERE initial != 'X'"
        " GROUP BY String::AsciiToUpper(team) AS initial HAVING COUNT(*) > 1 ORDER BY initial",
        [("R", 3)],
        "group_by: the key's name is visible, even in WHERE",
    ),
    Golden(
        "a running total goes row by row although keys are equal",
        "SELECT id, SUM(id) OVER w AS total FROM {src_0} WINDOW w AS (ORDER BY team)"
        " ORDER BY total",
        [(2, 2), (1, 3), (3, 6), (4, 10)],
        "window: with ORDER BY the frame is ROWS from the start, never RANGE",
    ),
    Golden(
        "window functions see the frame and the partition",
        "SELECT id, ROW_NUMBER() OVER w, LAG(id) OVER w, LEAD(id, 2) OVER w,"
        " SUM(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING),"
        " FIRST_VALUE(score) IGNORE NULLS OVER (ORDER BY id DESC), COUNT(*) OVER ()"
        " FROM {src_0} WINDOW w AS (PARTITION BY team ORDER BY id) ORDER BY id",
        [
            (1, 1, None, 4, 3, 28, 4),
            (2, 1, None, None, 6, 28, 4),
            (3, 2, 1, None, 9, 28, 4),
            (4, 3, 3, None, 7, None, 4),
        ],
        "builtins/window: ROW_NUMBER, LAG, LEAD, FIRST_VALUE",
    ),
    Golden(
        "LEFT JOIN fills with NULL and NULL keys match nothing",
        "SELECT a.id, b.city FROM {src_0} AS a LEFT JOIN {src_1} AS b ON a.team = b.team"
        " ORDER BY id",
        [(1, "Rome"), (2, None), (3, "Rome"), (4, "Rome")],
        "join: LEFT",
    ),
    Golden(
        "SEMI and ONLY are filters that keep rows once",
        "SELECT * FROM (SELECT id FROM {src_0} AS a LEFT SEMI JOIN {src_3} AS b USING (id)) AS x"
        " ORDER BY id",
        [(1,)],
        "join: LEFT SEMI is a whitelist without a Cartesian product",
    ),
    Golden(
        "RIGHT ONLY keeps the rows of the right side that match nothing",
        "SELECT b.city FROM {src_0} AS a RIGHT ONLY JOIN {src_1} AS b USING (team) ORDER BY city",
        [("Nowhere",), ("Oslo",)],
        "join: RIGHT ONLY subtracts by keys, and NULL equals no NULL",
    ),
    Golden(
        "a union goes by the names of columns",
        "SELECT * FROM (SELECT 1 AS x, 2 AS y UNION ALL SELECT 3 AS y, 4 AS z) AS u ORDER BY x",
        [(None, 3, 4), (1, 2, None)],
        "union: by name, with NULL for a column that a side does not have",
    ),
    Golden(
        "UNION drops duplicates and UNION ALL keeps them",
        "SELECT COUNT(*) FROM (SELECT team FROM {src_0} UNION SELECT team FROM {src_0}) AS u",
        [(2,)],
        "union: UNION is UNION ALL and SELECT DISTINCT *",
    ),
    Golden(
        "WITHOUT leaves columns out",
        "SELECT * WITHOUT id, name, note, data, tags, doc FROM {src_0} ORDER BY score LIMIT 1"
        " OFFSET 1",
        [("b", 1)],
        "without: all columns but the named ones",
    ),
    Golden(
        "FLATTEN LIST BY gives a row for each item, NULL items too",
        "SELECT id, tag FROM {src_0} FLATTEN LIST BY tags AS tag ORDER BY id, tag",
        [(1, "a"), (1, "b"), (2, None), (2, "c")],
        "flatten: an empty list has no row, and FLATTEN LIST BY takes NULL for an empty list",
    ),
    Golden(
        "FLATTEN BY replaces the column when it has no alias",
        "SELECT t.id, t.tags FROM {src_0} AS t FLATTEN LIST BY t.tags WHERE id = 1 ORDER BY tags",
        [(1, "a"), (1, "b")],
        "flatten: the result column replaces the source column",
    ),
    Golden(
        "keys whose meaning depends on types can be grouped by",
        "SELECT half, bytes, text, COUNT(*) FROM {src_0} GROUP BY id / 2 AS half,"
        " LENGTH(name) AS bytes, CAST(id % 2 AS String) AS text"
        " HAVING half < 2 ORDER BY half, bytes",
        [(0, 3, "1", 1), (1, 2, "1", 1), (1, 3, "0", 1)],
        "group_by: an expression as a named key",
    ),
    Golden(
        "DISTINCT drops repeated rows",
        "SELECT DISTINCT team FROM {src_0} ORDER BY team",
        [("b",), ("r",)],
        "distinct",
    ),
    Golden(
        "ORDER BY means the alias where a column has the same name",
        "SELECT name AS id, id AS name FROM {src_0} ORDER BY id LIMIT 1",
        [("ann", 1)],
        "order_by: an alias of SELECT comes first",
    ),
]


@pytest.mark.parametrize("golden", parameters(GOLDENS))
def test_means_what_ydb_documents(run, golden):
    check_golden(run(golden.query), golden)


def test_a_sum_of_integers_stays_a_64_bit_integer(connection):
    relation = connection.sql(translate("SELECT SUM(id) AS s, SUM(5u) AS u FROM {src_0}", 4))
    assert [str(kind) for kind in relation.types] == ["BIGINT", "UBIGINT"]


def test_flatten_without_list_ends_the_query_at_null(run):
    with pytest.raises(duckdb.Error, match="FLATTEN LIST BY"):
        run("SELECT id FROM {src_0} FLATTEN BY tags")
