import pytest

from outlast.operations.errors import Invalid
from outlast.resources.pipe_tables.column_types import capped, parse_type, widened


@pytest.mark.parametrize(
    ("text", "ours", "duckdb", "postgres"),
    [
        ("int", "INTEGER", "INTEGER", "integer"),
        ("Double  Precision", "DOUBLE", "DOUBLE", "double precision"),
        ("DECIMAL(10,2)", "DECIMAL(10, 2)", "DECIMAL(10, 2)", "numeric(10, 2)"),
        ("numeric(5)", "DECIMAL(5, 0)", "DECIMAL(5, 0)", "numeric(5, 0)"),
        ("VARCHAR(200)", "VARCHAR(200)", "VARCHAR", "varchar(200)"),
        ("string", "VARCHAR", "VARCHAR", "text"),
        ("datetime", "TIMESTAMP", "TIMESTAMP", "timestamp"),
        ("LARGEINT", "LARGEINT", "HUGEINT", "numeric(38, 0)"),
    ],
)
def test_a_type_has_one_word_here_and_one_in_each_engine(text, ours, duckdb, postgres):
    type = parse_type(text)
    assert (type.text, type.duckdb, type.postgres) == (ours, duckdb, postgres)
    assert parse_type(type.text) == type


@pytest.mark.parametrize(
    "text",
    ["", "HLL", "BITMAP", "INT(5)", "DECIMAL(39)", "DECIMAL(2, 3)", "VARCHAR(0)", "VARCHAR(1, 2)",
     "INT); DROP TABLE x", "ARRAY<INT>", "VARCHAR(99999999)"],
)  # fmt: skip
def test_what_is_no_type_of_a_column_is_refused(text):
    with pytest.raises(Invalid):
        parse_type(text)


@pytest.mark.parametrize(
    ("one", "other", "wide"),
    [
        ("TINYINT", "BIGINT", "BIGINT"),
        ("BIGINT", "FLOAT", "DOUBLE"),
        ("FLOAT", "DOUBLE", "DOUBLE"),
        ("DECIMAL(10, 2)", "INTEGER", "DECIMAL(12, 2)"),
        ("DECIMAL(10, 2)", "DECIMAL(5, 4)", "DECIMAL(12, 4)"),
        ("DECIMAL(38, 9)", "BIGINT", "DECIMAL(38, 9)"),
        ("DECIMAL(38, 9)", "LARGEINT", None),
        ("DATE", "TIMESTAMP", "TIMESTAMP"),
        ("VARCHAR(5)", "VARCHAR(9)", "VARCHAR"),
        ("VARCHAR", "BIGINT", None),
        ("DECIMAL(10, 2)", "DOUBLE", None),
        ("BOOLEAN", "TINYINT", None),
    ],
)
def test_two_types_have_the_narrowest_that_holds_both(one, other, wide):
    pair = parse_type(one), parse_type(other)
    for found in (widened(*pair), widened(*reversed(pair))):
        assert (None if found is None else found.text) == wide


def test_texts_are_capped_and_nothing_else():
    assert capped(parse_type("VARCHAR"), 10).text == "VARCHAR(10)"
    assert capped(parse_type("VARCHAR(5)"), 10).text == "VARCHAR(5)"
    assert capped(parse_type("BIGINT"), 10).text == "BIGINT"
