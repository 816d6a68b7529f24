"""What files become in a table: the locked child's part, in this process."""

import gzip
import io
import random
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outlast.operations.errors import Fatal, Invalid
from outlast.resources.pipe_tables.model import Key


def parquet(**columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def types(contents):
    return {column.name: column.type for column in contents.columns}


def refused(bench, files, *arguments, **definition):
    before = bench.database.read_bytes()
    with pytest.raises(Fatal) as caught:
        bench.load(files, *arguments, **definition)
    assert bench.database.read_bytes() == before
    return f"{caught.value.code}: {caught.value.message}"


def test_types_are_the_narrowest_that_hold_the_values_of_all_files(bench):
    small, large = pa.array([1], pa.int8()), pa.array([2**40], pa.int64())
    contents = bench.load(
        {
            "in/a.parquet": parquet(n=small, f=pa.array([1], pa.int32()), none=pa.nulls(1)),
            "in/b.parquet": parquet(n=large, f=pa.array([0.5]), none=pa.array([date(2026, 1, 2)])),
            "in/c.parquet": parquet(extra=pa.array(["x"])),
        }
    )
    wanted = {"n": "BIGINT", "f": "DOUBLE", "none": "DATE", "extra": "VARCHAR"}
    assert types(contents) == wanted
    assert bench.rows() == [
        (1, 1.0, None, None),
        (2**40, 0.5, date(2026, 1, 2), None),
        (None, None, None, "x"),
    ]


def test_types_that_have_nothing_in_common_are_refused_until_one_is_given(bench):
    files = {"in/a.parquet": parquet(n=[1]), "in/b.parquet": parquet(n=["x"])}
    said = refused(bench, files)
    assert said.startswith("invalid_file: in/b.parquet: column 'n' is VARCHAR, but BIGINT in in/a")
    contents = bench.load(files, column_overrides={"n": "string"})
    assert (types(contents), bench.rows()) == ({"n": "VARCHAR"}, [("1",), ("x",)])


def test_values_of_csv_files_are_texts_until_a_type_fits_all(bench):
    files = {"in/a.csv": b"code,n\n007,1\n", "in/b.csv": b"code,n\n8,x\n"}
    assert types(bench.load(files)) == {"code": "VARCHAR", "n": "VARCHAR"}
    assert bench.rows() == [("007", "1"), ("8", "x")]


@pytest.mark.parametrize(
    ("type", "given", "kept"),
    [
        ("DECIMAL(10, 2)", b"1.5", Decimal("1.50")),
        ("LARGEINT", b"170141183460469231731687303715884105", 170141183460469231731687303715884105),
        ("TINYINT", b"-128", -128),
        ("BOOLEAN", b"true", True),
        ("DATE", b"2026-01-02", date(2026, 1, 2)),
        ("DATETIME", b"2026-01-02 03:04:05", datetime.fromisoformat("2026-01-02 03:04:05")),
        ("VARCHAR(3)", b"abc", "abc"),
        ("VARBINARY", b"abc", b"abc"),
        ("JSON", b'"[1,  2]"', "[1,2]"),
    ],
)
def test_an_override_is_the_type_of_a_column(bench, type, given, kept):
    bench.load({"in/a.csv": b"v\n" + given + b"\n"}, column_overrides={"v": type})
    assert bench.rows() == [(kept,)]


@pytest.mark.parametrize(
    ("type", "given"),
    [
        ("DECIMAL(10, 2)", b"1.555"),
        ("TINYINT", b"128"),
        ("BIGINT", b"1.5"),
        ("BOOLEAN", b"2"),
        ("DATE", b"2026-02-30"),
        ("VARCHAR(3)", b"abcd"),
        ("JSON", b"{"),
    ],
)
def test_a_value_that_would_be_changed_is_refused_and_named(bench, type, given):
    files = {"in/a.csv": b"v\n\n" + given + b"\n"}
    said = refused(bench, files, column_overrides={"v": type})
    assert said.startswith("invalid_file: in/a.csv: row 2, column 'v': '" + given.decode()[:60])


@pytest.mark.parametrize(
    ("type", "value"),
    [
        ("BIGINT", 1.5),
        ("DATE", datetime.fromisoformat("2026-01-02 03:00")),
        ("DECIMAL(10, 1)", 1.25),
        ("BOOLEAN", 5),
        ("TIMESTAMP", 5),
    ],
)
def test_nothing_is_rounded_or_guessed_from_typed_values_either(bench, type, value):
    files = {"in/a.parquet": parquet(v=[value])}
    assert "column 'v'" in refused(bench, files, column_overrides={"v": type})


def test_texts_are_as_long_as_allowed(bench):
    contents = bench.load({"in/a.csv": "v\näöü\n".encode()}, varchar_chars_max=3)
    assert types(contents) == {"v": "VARCHAR(3)"}
    assert "row 1, column 'v'" in refused(bench, {"in/b.csv": b"v\nabcd\n"}, contents)


def test_what_is_nested_is_kept_as_json(bench):
    contents = bench.load({"in/a.parquet": parquet(v=[{"a": [1, None]}, None])})
    assert types(contents) == {"v": "JSON"}
    assert bench.rows() == [('{"a":[1,null]}',), (None,)]


def test_folders_that_name_a_value_are_columns(bench):
    files = {
        "in/day=2026-01-02/country=DE/a.csv": b"n\n1\n",
        "in/day=2026-01-03/country=a%20b/b.csv": b"n\n2\n",
        "in/day=2026-01-03/country=__HIVE_DEFAULT_PARTITION__/c.csv": b"n\n3\n",
    }
    contents = bench.load(files)
    assert types(contents) == {"n": "BIGINT", "day": "DATE", "country": "VARCHAR"}
    assert contents.partition_columns == ("day", "country")
    assert bench.rows() == [
        (1, date(2026, 1, 2), "DE"),
        (2, date(2026, 1, 3), "a b"),
        (3, date(2026, 1, 3), None),
    ]
    late = {"in/day=someday/country=DE/d.csv": b"n\n1\n"}
    assert "in/day=someday/country=DE/d.csv" in refused(bench, late, contents)
    assert "lies in folders" in refused(bench, {"in/d.csv": b"n\n1\n"}, contents)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"in/d=1/a.csv": b"n\n1\n", "in/b.csv": b"n\n1\n"}, "folders"),
        ({"in/d=1/a.csv": b"d\n1\n"}, "in files and in their paths"),
        ({"in/d=1/d=2/a.csv": b"n\n1\n"}, "twice"),
        ({"in/a.csv": b"n,N\n1,2\n"}, "capital"),
        ({"in/a.csv": b"_outlast_order\n1\n"}, "_outlast"),
        ({"in/a.csv": b""}, "empty"),
    ],
)
def test_files_that_make_no_table_are_refused(bench, files, says):
    with pytest.raises((Fatal, Invalid), match=says):
        bench.load(files)


def test_a_later_file_may_lack_a_column_and_have_none_that_the_table_lacks(bench):
    contents = bench.load({"in/a.csv": b"a,b\n1,2\n"})
    contents = bench.load({"in/b.csv": b"b\n3\n"}, contents)
    assert bench.rows() == [(1, 2), (None, 3)]
    said = refused(bench, {"in/c.csv": b"a,b,c\n1,2,3\n"}, contents)
    assert said == "invalid_file: in/c.csv: column 'c' is not a column of the table"
    assert "was loaded before" in refused(bench, {"in/a.csv": b"a,b\n1,2\n"}, contents)


@pytest.mark.parametrize("type", ["primary", "unique"])
def test_a_later_row_takes_the_place_of_an_earlier_one_of_the_same_key(bench, type):
    key = Key(type=type, columns=("k",))
    contents = bench.load({"in/a.csv": b"k,v\n1,a\n2,b\n1,c\n", "in/b.csv": b"k,v\n2,\n"}, key=key)
    assert sorted(bench.rows()) == [(1, "c"), (2, None)]
    contents = bench.load({"in/c.csv": b"k,v\n3,x\n1,y\n"}, contents, key=key)
    assert sorted(bench.rows()) == [(1, "y"), (2, None), (3, "x")]
    assert contents.rows == 3


def test_a_primary_key_has_no_nulls_and_a_unique_one_may_have_one(bench):
    files = {"in/a.csv": b"k,v\n1,a\n,b\n,c\n"}
    said = refused(bench, files, key=Key(type="primary", columns=("k",)))
    assert said == "invalid_file: in/a.csv: row 2, column 'k': is null, and in the primary key"
    bench.load(files, key=Key(type="unique", columns=("k",)))
    assert sorted(bench.rows(), key=str) == [(1, "a"), (None, "c")]


def test_a_duplicate_key_keeps_every_row(bench):
    bench.load({"in/a.csv": b"k\n1\n1\n"}, key=Key(type="duplicate", columns=("k",)))
    assert bench.rows() == [(1,), (1,)]


def test_rows_of_an_aggregate_key_are_merged_within_a_load_and_with_what_is_there(bench):
    key = Key(type="aggregate", columns=("k",))
    merges = {"s": "SUM", "lo": "MIN", "hi": "MAX", "known": "REPLACE_IF_NOT_NULL"}
    options = {"key": key, "aggregation_overrides": merges}
    first = b"k,s,lo,hi,known,last\n1,1,5,5,a,x\n1,2,3,7,,y\n2,9,9,9,z,\n"
    contents = bench.load({"in/a.csv": first}, **options)
    assert sorted(bench.rows()) == [(1, 3, 3, 7, "a", "y"), (2, 9, 9, 9, "z", None)]
    bench.load({"in/b.csv": b"k,s,lo,hi,known,last\n1,10,4,1,b,\n"}, contents, **options)
    assert sorted(bench.rows()) == [(1, 13, 3, 7, "b", None), (2, 9, 9, 9, "z", None)]


@pytest.mark.parametrize(
    ("merges", "says"),
    [
        ({"text": "SUM"}, "has no SUM"),
        ({"k": "MAX"}, "is in the key"),
        ({"nowhere": "MAX"}, "do not have"),
    ],
)
def test_what_cannot_be_merged_is_refused(bench, merges, says):
    key = Key(type="aggregate", columns=("k",))
    files = {"in/a.csv": b"k,text\n1,a\n"}
    assert says in refused(bench, files, key=key, aggregation_overrides=merges)


def test_a_sum_that_does_not_fit_is_refused(bench):
    key = Key(type="aggregate", columns=("k",))
    files = {"in/a.csv": b"k,n\n1,9223372036854775807\n1,1\n"}
    assert "merged" in refused(
        bench, files, key=key, aggregation_overrides={"n": "SUM"}, column_overrides={"n": "BIGINT"}
    )


def test_random_loads_with_a_key_give_what_a_dictionary_gives(bench):
    random.seed(5)
    key = Key(type="unique", columns=("a", "b"))
    contents, wanted = None, {}
    for load in range(4):
        files = {}
        for file in range(3):
            rows = [[random.randrange(6), random.choice("xyz"), random.random()] for _ in range(40)]
            wanted |= {(a, b): v for a, b, v in rows}
            names = zip(("a", "b", "v"), zip(*rows, strict=True), strict=True)
            files[f"in/{load}-{file}.parquet"] = parquet(**{n: list(v) for n, v in names})
        contents = bench.load(files, contents, key=key)
    assert {(a, b): v for a, b, v in bench.rows()} == wanted
    assert contents.rows == len(wanted)


def test_garbage_that_is_called_parquet_is_refused(bench):
    for content in (b"garbage", b"PAR1" + b"\xff" * 100 + b"PAR1", parquet(n=[1])[:-9]):
        said = refused(bench, {"in/a.parquet": content})
        assert said.startswith("invalid_file: in/a.parquet: "), said


def test_a_parquet_file_that_unpacks_to_more_than_allowed_is_refused(bench):
    bomb = parquet(text=pa.array(["x" * 1000]).take(pa.array([0] * 200_000)))
    assert len(bomb) < 1_000_000
    said = refused(bench, {"in/a.parquet": bomb}, None, 10_000_000)
    assert said.startswith("result_too_large: the files hold more than 10000000 bytes"), said


def test_a_gzip_file_that_unpacks_to_more_than_allowed_is_refused_and_leaves_nothing(bench):
    bomb = gzip.compress(b"n\n" + b"1\n" * 20_000_000, 1)
    said = refused(bench, {"in/a.csv.gz": bomb}, None, 10_000_000)
    assert said.startswith("result_too_large"), said
    assert not (bench.folder / "unpacked").exists()
    for content in (b"no gzip", bomb[:-5]):
        assert "in/a.csv.gz" in refused(bench, {"in/a.csv.gz": content})


def test_a_line_without_an_end_is_refused(bench):
    said = refused(bench, {"in/a.csv": b"a,b\n" + b"x" * 4_000_000})
    assert "longer than" in said
    assert len(said) < 300
