"""No text makes the translator fail in another way than by refusing, or take long to do so."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.kinds.yql import QueryRefused, check_duckdb, translate
from outlast.kinds.yql.aggregates import AGGREGATES
from outlast.kinds.yql.functions import FUNCTIONS


@pytest.mark.parametrize(
    ("says", "query"),
    [
        ("too long", "SELECT '" + "a" * 70_000 + "'"),
        ("too long in bytes", "SELECT " + "'\u0416', " * 14_000 + "1"),
        ("a lone surrogate", "SELECT '\ud800'"),
        ("a long string", "SELECT '" + "a" * 20_000 + "'"),
        ("a long number", "SELECT " + "1" * 100),
        ("deep brackets", "SELECT " + "(" * 5_000 + "1" + ")" * 5_000),
        ("deep subqueries", "SELECT " + "(SELECT " * 60 + "1" + ")" * 60),
        ("deep CASE", "SELECT " + "CASE WHEN a THEN " * 400 + "1" + " END" * 400),
        ("a long chain", "SELECT " + " + ".join(["a"] * 3_000)),
        ("many NOT", "SELECT " + "NOT " * 5_000 + "a"),
        ("many tokens", "SELECT " + ", ".join(["a"] * 9_000)),
        ("many statements", "$a = 1; " * 200 + "SELECT $a"),
        ("many open comments", "SELECT " + "/*" * 30_000),
        ("many open strings", "SELECT " + "'" * 60_001),
        (
            "names that multiply",
            "$a0 = 1 + 1; "
            + "".join(f"$a{n + 1} = $a{n} + $a{n}; " for n in range(60))
            + "SELECT $a60",
        ),
    ],
    ids=lambda value: value if len(value) < 40 else "",
)
@pytest.mark.timeout(10)
def test_a_query_past_a_limit_is_refused_at_once(says, query):
    assert says
    with pytest.raises(QueryRefused):
        translate(query, 1)


SAMPLES = {
    "Ensure": "1, true",
    "IF": "true, 1",
    "ListAll": "[true]",
    "ListAny": "[true]",
    "ListExtend": "[1]",
    "ListFlatten": "[[1]]",
    "ListFromRange": "1, 2",
    "ListReplicate": "1, 2",
    "NANVL": "1.0, 2.0",
    "SUBSTRING": "'a', 0",
    "String::JoinFromList": "['a'], ','",
    "String::Substring": "'a', 0",
    "Unicode::JoinFromList": "['a'], ','",
    "Unicode::Substring": "'a', 0",
}
FIRST = {"List": "[1]", "Math": "1.0", "Date": "Date('2024-01-01')", "ABS": "1", "LIKE": "true"}
REST = {"List": "1", "Math": "1.0", "Date": "1"}


def arguments_of(function):
    if function.name in SAMPLES:
        return SAMPLES[function.name]
    start = function.name[:4]
    if function.name.startswith("DateTime::From"):
        return "1"
    first, other = FIRST.get(start, "'a'"), REST.get(start, "'a'")
    return ", ".join([first, *[other] * (function.arguments_min - 1)][: function.arguments_min])


def test_every_function_of_the_tables_has_a_summary_and_binds(run):
    for function in FUNCTIONS.values():
        assert function.summary
        run(f"SELECT {function.name}({arguments_of(function)})")


def test_every_aggregate_of_the_tables_has_a_summary_and_binds(run):
    for aggregate in AGGREGATES.values():
        assert aggregate.summary
        first = {"COUNT": "*", "COUNT_IF": "id > 1"}.get(aggregate.name, "id")
        first = "id > 1" if aggregate.name.startswith("BOOL") else first
        second = "id > 1" if aggregate.name.endswith("_IF") else "1"
        wanted = max(aggregate.arguments_min, 1 if aggregate.name == "COUNT" else 0)
        arguments = [first, second][:wanted]
        over = " OVER (ORDER BY id)" if aggregate.window_only else ""
        run(f"SELECT {aggregate.name}({', '.join(arguments)}){over} FROM {{src_0}}")
        if not aggregate.window_only:
            call = f"{aggregate.name}({', '.join(arguments)}) OVER (ORDER BY id)"
            run(f"SELECT {call} FROM {{src_0}}")


QUERIES = """
$x = 1; $t = (SELECT id, a ?? 'x' AS b FROM {src_0} AS s WHERE a > $x); SELECT * FROM $t AS t
SELECT k, SUM_IF(a, b != 1) AS n FROM {src_0} GROUP BY String::Strip(c) AS k HAVING COUNT(*) > 1
SELECT a FROM {src_0} WHERE a / 2 = 1 OR a IN (SELECT b FROM {src_1}) ORDER BY a DESC LIMIT 3
SELECT a.x, b.y FROM {src_0} AS a LEFT JOIN {src_1} AS b ON a.k = b.k AND a.z = b.z
SELECT LAG(y, 2) OVER w FROM {src_0} WINDOW w AS (PARTITION BY k ORDER BY x ROWS 1 PRECEDING)
SELECT CAST(a AS Optional<Int32>), CASE WHEN b IS NOT NULL THEN [1, 2][0] ELSE -1 END FROM {src_1}
SELECT JSON_VALUE(j, '$.a[0]' RETURNING Int64), SUM(DISTINCT a) FROM {src_0} SAMPLE 0.5
$f = ($x) -> { $y = $x * 2; RETURN $y + 1; }; SELECT ListMap(l, ($i) -> ($f($i))) FROM {src_0}
SELECT t.* WITHOUT a FROM {src_0} AS t FLATTEN LIST BY l AS i WHERE NOT (s LIKE '%!%' ESCAPE '!')
SELECT a FROM (SELECT 1 AS a UNION ALL SELECT 2.5e3 AS a) AS u WHERE EXISTS (SELECT 1 FROM {src_1})
WITH a AS (SELECT x FROM {src_0}) SELECT count(*) FILTER (WHERE x > 1), x::INT FROM a GROUP BY ALL
""".strip().splitlines()
WORDS = r"""
SELECT FROM WHERE GROUP BY ORDER LIMIT ( ) [ ] { } , ; $x = -> :: . * NOT IN IS NULL CASE WHEN THEN
END {src_0} {src_1} ' " ` @@ -- /* */ \ 1 1.5 'a' a `b` AS JOIN ON OVER WINDOW ROWS UNION ALL ?? ||
CAST JSON_VALUE FLATTEN SAMPLE WITHOUT Int32 DISTINCT INTERVAL DATE VALUES PIVOT TABLESAMPLE LATERAL
UNNEST SET USING < > ?
"""
PIECES = st.sampled_from([*WORDS.split(), "\n", "\u0416", "\x00", "\ufeff"])


def refused_or_translated(query):
    for read, words in ((translate, "YQL subset: "), (check_duckdb, "DuckDB SQL: ")):
        try:
            outcome = read(query, 2)
        except QueryRefused as refused:
            outcome = refused.message.removeprefix(words)
            assert outcome != refused.message  # noqa: PT017 - either end is fine, no other is
        assert outcome


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_translated_or_refused(text):
    refused_or_translated(text)
    refused_or_translated("SELECT " + text)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=30))
def test_any_mixture_of_tokens_is_translated_or_refused(pieces):
    refused_or_translated("SELECT " + " ".join(pieces))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(QUERIES), st.data())
def test_a_mutated_query_is_translated_or_refused(query, data):
    start = data.draw(st.integers(0, len(query)))
    end = data.draw(st.integers(start, min(len(query), start + 8)))
    refused_or_translated(query[:start] + data.draw(PIECES) + query[end:])
