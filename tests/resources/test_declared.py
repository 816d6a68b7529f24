"""Rows that a declared schema holds against: what fits is stored, what does not is named."""

import io
import json

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets_for_tests import manifest_of, parsed

from outlast.operations.errors import InvalidSpec
from outlast.resources.datasets.calls import BodyArguments
from outlast.resources.datasets.parsing import parse_body
from outlast.resources.datasets.reading import export, read_rows

ALL = [
    {"name": "s", "type": "string"},
    {"name": "i", "type": "int64"},
    {"name": "d", "type": "double"},
    {"name": "b", "type": "boolean"},
    {"name": "j", "type": "json"},
    {"name": "o", "type": "string", "is_optional": True},
]
GOOD = {"s": "x", "i": -(2**63), "d": 1, "b": True, "j": [{"role": "user"}, 12345678901234567890.5]}


def read_head(head: bytes):
    """What a dialect does: here the columns stand as we write them."""
    decoded = msgspec.json.decode(head)
    if "name" not in decoded:
        raise InvalidSpec("name is missing", field_errors={"name": "Field required"})
    return {"title": decoded["name"], "columns": decoded["columns"]}


def body_answer(folder, body: bytes):
    (folder / "body").write_bytes(body)
    call = BodyArguments(file="body", reader=f"{__name__}:read_head")
    return parse_body(msgspec.json.encode(call), folder)


def of_rows(folder, rows, columns=ALL):
    body = {"name": "n", "columns": columns, "rows": rows}
    return body_answer(folder, json.dumps(body).encode())


def shown(folder, answer):
    call = {"files": answer["files"], "offset": 0, "limit": 100, "bytes_max": 1_000_000}
    assert read_rows(msgspec.json.encode(call), folder) == {"file": "rows.json"}
    return json.loads((folder / "rows.json").read_bytes())


def as_jsonl(rows):
    return b"\n".join(json.dumps(row).encode() for row in rows)


def test_rows_keep_the_declared_types_and_come_back_as_they_were(tmp_path):
    answer = of_rows(tmp_path, [GOOD, GOOD | {"o": "y", "j": None}, GOOD | {"j": '"'}])
    types = {column.name: column.type for column in manifest_of(answer).columns}
    assert types == {
        "s": "string",
        "i": "int64",
        "d": "double",
        "b": "boolean",
        "j": "json",
        "o": "string",
    }
    assert shown(tmp_path, answer) == [
        GOOD | {"o": None},
        GOOD | {"o": "y", "j": None},
        GOOD | {"o": None, "j": '"'},
    ]
    assert answer["declaration"]["title"] == "n"


@pytest.mark.parametrize(
    ("wrong", "field", "says"),
    [
        ({"i": "1"}, "rows.1.i", "row 2, column 'i': Expected `int`, got `str`"),
        ({"i": 2**63}, "rows.1.i", "row 2, column 'i'"),
        ({"b": 1}, "rows.1.b", "row 2, column 'b'"),
        ({"s": None}, "rows.1.s", "row 2, column 's'"),
        ({"o": 1}, "rows.1.o", "row 2, column 'o'"),
        ({"unknown": 1}, "rows.1.unknown", "row 2, column 'unknown': is not declared"),
    ],
)
def test_the_row_and_the_column_that_do_not_fit_are_named(tmp_path, wrong, field, says):
    answer = of_rows(tmp_path, [GOOD, GOOD | wrong])
    assert answer["code"] == "invalid_spec"
    assert says in answer["message"]
    assert list(answer["field_errors"]) == [field]


def test_a_column_that_is_missing_from_a_row_is_named(tmp_path):
    answer = of_rows(tmp_path, [GOOD, {name: GOOD[name] for name in GOOD if name != "s"}])
    assert answer["message"] == "row 2, column 's': is missing"
    assert list(answer["field_errors"]) == ["rows.1.s"]


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"[1]", "invalid_request", "not a JSON object"),
        (b'{"name":', "invalid_request", "not a JSON object"),
        (b'{"columns":[],"rows":[]}', "invalid_spec", "name is missing"),
        (
            b'{"name":"n","columns":[{"name":"a","type":"json"}]}',
            "invalid_spec",
            "rows are missing",
        ),
        (b'{"name":"n","columns":[],"rows":[]}', "invalid_spec", "1 to 1000 columns"),
        (b'{"name":"n","columns":[{"name":"a","type":"int64"}],"rows":{}}', "invalid_spec", "rows"),
        (
            b'{"name":"n","columns":[{"name":"a","type":"int64"}],"rows":[3]}',
            "invalid_spec",
            "row 1: Expected `object`, got `int`",
        ),
        (
            b'{"name":"n","columns":[{"name":"a","type":"string"}],"rows":[{"a":"\xff"}]}',
            "invalid_spec",
            "rows",
        ),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(tmp_path, body, code, says):
    answer = body_answer(tmp_path, body)
    assert answer["code"] == code
    assert says in answer["message"]


def test_no_rows_are_a_table_too(tmp_path):
    assert manifest_of(of_rows(tmp_path, [])).rows == 0


def test_json_lines_are_held_against_the_declaration(tmp_path):
    rows = [GOOD, GOOD | {"o": "y"}]
    answer = parsed(tmp_path / "a", as_jsonl(rows), "auto", columns=ALL)
    assert shown(tmp_path / "a", answer) == [GOOD | {"o": None}, GOOD | {"o": "y"}]
    answer = parsed(tmp_path / "b", as_jsonl([GOOD, GOOD | {"i": 1.5}]), "jsonl", columns=ALL)
    assert answer["message"].startswith("line 2, column 'i': ")


def test_csv_is_read_as_the_declaration_says(tmp_path):
    columns = [
        {"name": "zip", "type": "string"},
        {"name": "n", "type": "double", "is_optional": True},
        {"name": "j", "type": "json", "is_optional": True},
    ]
    content = b'zip,j,n\n01230,"[1, 2]",1.50\n1.50,,\n'
    answer = parsed(tmp_path / "a", content, "auto", columns=columns)
    assert shown(tmp_path / "a", answer) == [
        {"zip": "01230", "n": 1.5, "j": [1, 2]},
        {"zip": "1.50", "n": None, "j": None},
    ]
    for number, (wrong, says) in enumerate(
        [
            (b"zip,n\nx,1\nx,y\n", "row 2, column 'n'"),
            (b"zip,n\nx,1\n,2\n", "row 2, column 'zip': is null"),
            (b"zip,j\nx,{\n", "row 1, column 'j': is not JSON"),
            (b"zip,other\nx,1\n", "column 'other' is not declared"),
            (b"n\n1\n", "column 'zip' is declared, but missing"),
        ]
    ):
        answer = parsed(tmp_path / f"wrong-{number}", wrong, "csv", columns=columns)
        assert says in answer["message"], answer


def test_parquet_is_cast_to_the_declaration(tmp_path):
    table = pa.table({"i": pa.array([1, 2], pa.int8()), "j": [{"a": 1}, None]})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    columns = [
        {"name": "i", "type": "double"},
        {"name": "j", "type": "json", "is_optional": True},
    ]
    answer = parsed(tmp_path, sink.getvalue(), "auto", columns=columns)
    assert shown(tmp_path, answer) == [{"i": 1.0, "j": {"a": 1}}, {"i": 2.0, "j": None}]


def test_json_of_a_foreign_file_that_is_none_is_shown_as_text(tmp_path):
    storage = pa.array(['{"a": 1}', "{broken", None])
    table = pa.table({"j": pa.ExtensionArray.from_storage(pa.json_(pa.string()), storage)})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    answer = parsed(tmp_path, sink.getvalue(), "parquet")
    assert shown(tmp_path, answer) == [{"j": {"a": 1}}, {"j": "{broken"}, {"j": None}]


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("jsonl", b'{"j":{"a":[1,2]},"s":"x"}\n{"j":null,"s":"y"}\n'),
        ("csv", b'"j","s"\n"{""a"":[1,2]}","x"\n,"y"\n'),
    ],
)
def test_json_is_exported_as_what_it_says(tmp_path, format, expected):
    columns = [
        {"name": "j", "type": "json", "is_optional": True},
        {"name": "s", "type": "string"},
    ]
    rows = [{"j": {"a": [1, 2]}, "s": "x"}, {"s": "y"}]
    answer = of_rows(tmp_path, rows, columns)
    call = {"files": answer["files"], "format": format}
    assert export(msgspec.json.encode(call), tmp_path) == {"file": "export"}
    assert (tmp_path / "export").read_bytes() == expected
