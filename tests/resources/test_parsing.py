import io
import json
import resource
import subprocess
import sys
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets_for_tests import manifest_of, parsed
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.resources.datasets.reading import export, read_rows


def rows_of(folder, answer, format="jsonl"):
    arguments = {"files": answer["files"], "format": format}
    assert export(msgspec.json.encode(arguments), folder) == {"file": "export"}
    return (folder / "export").read_bytes()


def types_of(answer):
    return {column.name: column.type for column in manifest_of(answer).columns}


def parquet_bytes(table: pa.Table, **options) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("content", "types", "rows"),
    [
        (b'{"a":1}\n{"a":2.5}', {"a": "double"}, [{"a": 1.0}, {"a": 2.5}]),
        (b'{"a":null}\n{"a":"x","b":[]}', {"a": "string", "b": "list<string>"}, None),
        (b'\xef\xbb\xbf{"a":1}\r\n\r\n{"a":2}\r\n', {"a": "int64"}, [{"a": 1}, {"a": 2}]),
        (b'{"t":"2013-01-01T00:00:00Z"}', {"t": "string"}, [{"t": "2013-01-01T00:00:00Z"}]),
        (
            b'{"o":{"x":1}}\n{"o":{"y":[{"z":true}]}}\n{"o":null}',
            {"o": "struct<x: int64, y: list<struct<z: boolean>>>"},
            [
                {"o": {"x": 1, "y": None}},
                {"o": {"x": None, "y": [{"z": True}]}},
                {"o": None},
            ],
        ),
        (b'{"n":9223372036854775807}', {"n": "int64"}, [{"n": 9223372036854775807}]),
        ('{"ü":"\\u0000 \\ud83d\\ude00"}'.encode(), {"ü": "string"}, [{"ü": "\0 😀"}]),
    ],
)
def test_json_lines_are_typed_by_the_whole_file(tmp_path, content, types, rows):
    answer = parsed(tmp_path, content, "jsonl")
    assert types_of(answer) == types
    if rows is not None:
        assert [json.loads(line) for line in rows_of(tmp_path, answer).splitlines()] == rows


def test_types_widen_also_far_into_a_file(tmp_path):
    content = b'{"a":1,"b":null}\n' * 300_000 + b'{"a":1.5,"b":"x","c":true}\n'
    answer = parsed(tmp_path, content, "jsonl")
    assert types_of(answer) == {"a": "double", "b": "string", "c": "boolean"}
    assert manifest_of(answer).rows == 300_001


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no rows"),
        (b"\n\n", "has no rows"),
        (b"{}\n{}", "no line names a column"),
        (b'{"a":1}\n{"a":"x"}', "line 2, column 'a': a text, but a number "),
        (b'{"a":1}\n\n{"a":', "line 3 is not valid JSON"),
        (b'{"a":1}\n[1]', "line 2 is a list, not an object"),
        (b'{"a":1} {"a":2}', "line 1 is not valid JSON"),
        (b'{"a":1}\n{"a":2', "line 2 is not valid JSON"),
        (b'{"a":1,"a":2}', "line 1: Column(/a) was specified twice"),
        (b'{"a":18446744073709551616}', "line 1, column 'a': an integer does not fit"),
        (b'{"a":{}}', "column 'a': an object without members"),
        (b'{"a":"\xff"}', "line 1 is not valid UTF-8"),
        (b'{"a":1}\n{"a":"\xc3"}', "line 2 is not valid UTF-8"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "line 1 is nested deeper than 32"),
        (b'\xff\xfe{\0"\0', "this is UTF-16 text"),
        (b"PAR1....", "this is a Parquet file"),
        (b"PK\x03\x04", "this is a ZIP archive"),
    ],
)
def test_malformed_json_lines_are_refused_naming_the_line(tmp_path, content, message):
    answer = parsed(tmp_path, content, "jsonl")
    assert "files" not in answer
    assert message in answer["message"]


def test_a_mixture_far_into_a_file_is_refused_naming_the_line(tmp_path):
    content = b'{"a":1}\n' * 500_000 + b'{"a":"x"}\n'
    answer = parsed(tmp_path, content, "jsonl")
    assert answer["message"].startswith("line 500001, column 'a': a text, but a number ")


def test_more_columns_than_a_version_may_have_are_refused(tmp_path):
    names = [f"c{n}" for n in range(200_000)]
    jsonl = json.dumps(dict.fromkeys(names, 1)).encode()
    assert "at most 10000 are allowed" in parsed(tmp_path / "a", jsonl, "jsonl")["message"]
    csv = ",".join(names).encode() + b"\n"
    assert "at most 10000 are allowed" in parsed(tmp_path / "b", csv, "csv")["message"]
    table = pa.table([pa.array([1])] * 11_000, names=names[:11_000])
    answer = parsed(tmp_path / "c", parquet_bytes(table), "parquet")
    assert "at most 10000 are allowed" in answer["message"]


@pytest.mark.parametrize(
    ("content", "types"),
    [
        (b"a,b\n1,x\n,y\n", {"a": "int64", "b": "string"}),
        (b"a\n1\n2.5\n", {"a": "double"}),
        (b"zip,id\n00501,12345678901234567890\n1,1\n", {"zip": "string", "id": "string"}),
        (b"a,b,c\r\ntrue,2013-01-01,2013-01-01 10:00:00\r\n", None),
        (b"a\n2013-01-01T10:00:00+02:00\n", {"a": "timestamp[us, tz=UTC]"}),
        (b"a,b\n,\n", {"a": "string", "b": "string"}),
        (b"a,b\n", {"a": "string", "b": "string"}),
        (b"a\n0x1f\n", {"a": "string"}),
        (b"a\nnan\n", {"a": "string"}),
        (b"\xef\xbb\xbfa\n1\n", {"a": "int64"}),
    ],
)
def test_csv_columns_get_the_narrowest_type_that_loses_nothing(tmp_path, content, types):
    answer = parsed(tmp_path, content, "csv")
    expected = types or {"a": "boolean", "b": "date", "c": "timestamp[us]"}
    assert types_of(answer) == expected


def test_a_csv_column_widens_also_far_into_a_file(tmp_path):
    content = b"a,b\n" + b"1,1\n" * 600_000 + b"x,1.5\n"
    answer = parsed(tmp_path, content, "csv")
    assert types_of(answer) == {"a": "string", "b": "double"}
    assert rows_of(tmp_path, answer).splitlines()[-1] == b'{"a":"x","b":1.5}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"a,a\n1,2\n", "column 2: the name 'a' appears twice"),
        (b"a,b\n1,2\n3\n", "row 3 has 1 values, but the header names 2"),
        (b"a\n\xe9\n", "line 2 is not valid UTF-8"),
        (b"a\n" + b"x" * 3_000_000 + b"\n", "a row is longer than"),
        (b'"' + b"x" * 5_000_000, "line 1"),
        (b"\x1f\x8b\x08\x00", "this is a gzip file"),
    ],
)
def test_malformed_csv_is_refused_naming_the_place(tmp_path, content, message):
    answer = parsed(tmp_path, content, "csv")
    assert "files" not in answer
    assert message in answer["message"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable Parquet file"),
        (b"PAR1" + b"\0" * 100 + b"PAR1", "not a readable Parquet file"),
        (b"name,age\n", "not a readable Parquet file"),
    ],
)
def test_what_is_not_parquet_is_refused(tmp_path, content, message):
    assert message in parsed(tmp_path, content, "parquet")["message"]


def test_a_damaged_parquet_file_is_refused_naming_the_row(tmp_path):
    content = bytearray(parquet_bytes(pa.table({"a": list(range(100_000))}), compression="zstd"))
    content[100_000:103_000] = bytes(3000)
    answer = parsed(tmp_path, bytes(content), "parquet")
    assert answer["message"].startswith("after row ")


def test_a_parquet_bomb_is_refused_by_its_rows(tmp_path):
    table = pa.table({"a": pa.array([7]).take(pa.array([0] * 4_000_000))})
    content = parquet_bytes(table, row_group_size=4_000_000)
    assert len(content) < 40_000
    answer = parsed(tmp_path, content, "parquet", rows=1_000_000)
    assert answer == {"code": "too_large", "message": "there are more than 1000000 rows"}


def test_a_parquet_bomb_is_refused_by_its_bytes(tmp_path):
    value = pa.array(["x" * 100_000]).dictionary_encode()
    table = pa.table({"a": value.take(pa.array([0] * 20_000))})
    content = parquet_bytes(table)
    assert len(content) < 1_000_000
    answer = parsed(tmp_path, content, "parquet", bytes=100_000_000)
    assert answer["code"] == "too_large"


def test_parquet_types_become_what_a_version_can_hold(tmp_path):
    table = pa.table(
        {
            "d": pa.array(["a", "b"]).dictionary_encode(),
            "l": pa.array(["a", None], pa.large_string()),
            "f": pa.array([b"ab", b"cd"], pa.binary(2)),
            "t": pa.array([0, 1], pa.timestamp("s", "Europe/Paris")),
            "n": pa.array([None, None], pa.null()),
            "c": pa.array(["1.50", None]).cast(pa.decimal128(5, 2)),
            "h": pa.array([1, 2], pa.timestamp("ns")),
            "m": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())),
        }
    )
    answer = parsed(tmp_path, parquet_bytes(table), "parquet")
    assert types_of(answer) == {
        "d": "string",
        "l": "string",
        "f": "binary",
        "t": "timestamp[us, tz=UTC]",
        "n": "string",
        "c": "decimal(5, 2)",
        "h": "timestamp[ns]",
        "m": "map<string, int8>",
    }
    assert json.loads(rows_of(tmp_path, answer).splitlines()[0]) == {
        "d": "a",
        "l": "a",
        "f": "YWI=",
        "t": "1970-01-01T00:00:00Z",
        "n": None,
        "c": "1.50",
        "h": "1970-01-01T00:00:00.000000001",
        "m": [["k", 1]],
    }


def test_a_type_that_cannot_be_stored_is_refused_naming_the_column(tmp_path):
    table = pa.table({"ok": [1], "gap": pa.array([1], pa.duration("s"))})
    answer = parsed(tmp_path, parquet_bytes(table), "parquet")
    assert answer["message"] == "column 'gap': values of type duration[s] cannot be stored"


def test_the_same_rows_are_the_same_version_whatever_the_format(tmp_path):
    jsonl = b'{"a":1,"b":"x"}\n{"a":2,"b":null}\n'
    first = parsed(tmp_path / "1", jsonl, "jsonl")
    again = parsed(tmp_path / "2", jsonl, "jsonl")
    csv = parsed(tmp_path / "3", rows_of(tmp_path / "1", first, "csv"), "csv")
    parquet = parsed(tmp_path / "4", rows_of(tmp_path / "1", first, "parquet"), "parquet")
    versions = {manifest_of(answer).version for answer in (first, again, csv, parquet)}
    assert len(versions) == 1


def test_pages_are_cut_exactly_also_across_row_groups_and_parts(tmp_path):
    content = b"".join(b'{"n":%d}\n' % n for n in range(300_000))
    answer = parsed(tmp_path, content, "jsonl")
    for offset in (0, 122_870, 122_880, 245_755, 299_995, 300_000):
        arguments = {"files": answer["files"], "offset": offset, "limit": 20, "bytes_max": 10_000}
        assert read_rows(msgspec.json.encode(arguments), tmp_path) == {"file": "rows.json"}
        rows = json.loads((tmp_path / "rows.json").read_bytes())
        assert [row["n"] for row in rows] == list(range(offset, min(offset + 20, 300_000)))


def test_an_export_to_parquet_has_row_groups_that_are_good_to_read(tmp_path):
    content = b"".join(b'{"n":%d}\n' % n for n in range(300_000))
    answer = parsed(tmp_path, content, "jsonl")
    rows_of(tmp_path, answer, "parquet")
    metadata = pq.ParquetFile(tmp_path / "export").metadata
    assert (metadata.num_rows, metadata.num_row_groups) == (300_000, 3)


def test_a_page_that_is_too_large_says_so(tmp_path):
    answer = parsed(tmp_path, b'{"a":"%s"}\n' % (b"x" * 2000), "jsonl")
    arguments = {"files": answer["files"], "offset": 0, "limit": 1, "bytes_max": 1000}
    assert read_rows(msgspec.json.encode(arguments), tmp_path)["code"] == "too_large"


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
finite = st.floats(allow_nan=False, allow_infinity=False)
values = {
    "i": st.none() | st.integers(-(2**63), 2**63 - 1),
    "f": st.none() | finite.map(lambda f: f + 0.5 if f == int(f) else f),
    "s": st.none() | words,
    "b": st.none() | st.booleans(),
    "l": st.none() | st.lists(st.none() | words, max_size=3),
    "o": st.none() | st.fixed_dictionaries({"x": st.none() | st.integers(-9, 9)}),
}
first_row = {"i": 1, "f": 0.5, "s": "x", "b": True, "l": ["x"], "o": {"x": 1}}


@given(st.lists(st.fixed_dictionaries(values), max_size=12))
@settings(max_examples=60, deadline=None)
def test_rows_come_out_as_they_went_in(rows):
    rows = [first_row, *rows]
    content = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    with TemporaryDirectory() as name:
        folder = Path(name)
        answer = parsed(folder, content, "jsonl")
        assert [json.loads(line) for line in rows_of(folder, answer).splitlines()] == rows
        again = parsed(folder / "again", rows_of(folder, answer, "parquet"), "parquet")
        assert manifest_of(again).version == manifest_of(answer).version


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.text("abc,\"'\n\r\t ü😀", max_size=6),
            st.none() | st.booleans(),
        ),
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_csv_comes_back_as_it_was_written(rows):
    rows = [(1, "a", True), *rows]
    content = b"".join(
        msgspec.json.encode(dict(zip("isb", row, strict=True))) + b"\n" for row in rows
    )
    with TemporaryDirectory() as name:
        folder = Path(name)
        answer = parsed(folder, content, "jsonl")
        again = parsed(folder / "again", rows_of(folder, answer, "csv"), "csv")
        assert rows_of(folder / "again", again) == rows_of(folder, answer)


def test_a_file_larger_than_the_memory_can_be_parsed_and_exported(tmp_path):
    line = b'{"id":%d,"text":"' + b"lorem ipsum " * 80 + b'","value":%f}\n'
    with (tmp_path / "upload").open("wb") as file:
        block = b"".join(line % (m, m / 7) for m in range(1000))
        for _ in range(420):
            file.write(block)
    size = (tmp_path / "upload").stat().st_size
    limit = 300 * 2**20
    assert size > 1.3 * limit
    code = textwrap.dedent("""
        import json, sys
        from pathlib import Path
        from outlast.resources.datasets.parsing import parse
        from outlast.resources.datasets.reading import export
        answer = parse(b'{"file":"upload","format":"jsonl"}', Path())
        arguments = {"files": answer["files"], "format": "jsonl"}
        print(json.dumps([answer["manifest"]["rows"], export(json.dumps(arguments), Path())]))
    """)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        check=False,
    )
    assert json.loads(done.stdout or b"null") == [420_000, {"file": "export"}], done.stderr
    assert (tmp_path / "export").stat().st_size > limit
