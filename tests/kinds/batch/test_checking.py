"""The first pass, and the lines that it reads."""

import json
import tracemalloc

import pytest
from batching import request

from outlast.kinds.batch import checking, lines
from outlast.kinds.batch.checking import TWICE, Check, LineSet
from outlast.kinds.batch.lines import Lines, Offsets
from outlast.kinds.batch.requests import CHAT, EMBEDDINGS, BadRow, ColumnMapping, RowReader
from outlast.operations.errors import Fatal


def reader(**options):
    return RowReader(CHAT, **({"model": "double"} | options))


def written(tmp_path, content, sizes=(1 << 30,)):
    paths, begin = [], 0
    for number, size in enumerate(sizes):
        path = tmp_path / f"part-{number}"
        path.write_bytes(content[begin : begin + size])
        begin += size
        paths.append(path)
    return Lines(paths)


@pytest.mark.parametrize("sizes", [(100,), (1, 2, 3, 100), (0, 5, 0, 100), (4, 100)])
def test_lines_are_numbered_as_in_the_file_and_found_again_by_their_offsets(tmp_path, sizes):
    content = b"a\n\nbb\r\n  \nccc"
    found = list(written(tmp_path, content, sizes))
    assert [(number, line) for number, _, line in found] == [(1, b"a"), (3, b"bb"), (5, b"ccc")]
    with written(tmp_path, content, sizes).open() as file:
        for _, offset, line in found:
            file.seek(offset)
            assert file.readline().strip() == line


def test_offsets_are_kept_for_every_line(tmp_path):
    offsets = Offsets(tmp_path / "offsets")
    offsets.add(1, 0)
    offsets.add(4, 77)
    offsets.add(5, 2**40)
    assert [offsets.find(number) for number in (1, 4, 5)] == [0, 77, 2**40]
    offsets.close()


def test_a_line_that_is_too_long_is_one_bad_row_and_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LINE_BYTES_MAX", 100)
    monkeypatch.setattr("outlast.kinds.batch.requests.LINE_BYTES_MAX", 100)
    content = b"x" * 1_000_000 + b"\n" + b"y\n"
    first, second = written(tmp_path, content)
    assert (len(first[2]), second[2]) == (101, b"y")
    with pytest.raises(BadRow, match="longer than 100 bytes"):
        reader().read(first[2], 1)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "is not valid JSON"),
        ('"\\ud800"', "is not"),
        (b'{"custom_id": "\xff"}', "is not valid JSON"),
        ("[" * 50_000, "is not"),
        ("[]", "is not a request"),
        ('{"custom_id":"a"}', "is not a request: Object missing required field `method`"),
        (request(1, method="GET"), "is not a request: Invalid enum value 'GET'"),
        (request(1, url="/v1/nope"), "url must be /v1/chat/completions"),
        (request(1, custom_id=""), "custom_id must have 1 to 512"),
        (request(1, body={"messages": [{"role": "user"}]}), "model must be a text"),
        (request(1, body={"model": "m"}), 'model "m" is not the model of this batch, "double"'),
        (request(1, body={"model": "double"}), "messages must be an array"),
        (request(1, body={"model": "double", "messages": ["x"]}), r"messages\[0\] must be"),
        (
            request(1, body={"model": "double", "messages": [{"role": "user"}], "stream": True}),
            "stream is not possible",
        ),
    ],
)
def test_a_row_that_is_no_request_says_why(line, says):
    with pytest.raises(BadRow, match=says):
        reader().read(line if isinstance(line, bytes) else line.encode(), 1)


@pytest.mark.parametrize(
    ("row", "mapping", "says"),
    [
        ({}, {"messages": "m"}, 'column "m" is empty'),
        ({"m": "no"}, {"messages": "m"}, 'column "m" is not a JSON array of messages'),
        ({"m": "[]"}, {"messages": "m"}, "messages must be"),
        ({"p": ""}, {"prompt": "p"}, 'column "p" is empty'),
        ({"p": "x", "i": None}, {"prompt": "p", "custom_id": "i"}, 'column "i" holds no custom_id'),
        ({"p": "x", "i": True}, {"prompt": "p", "custom_id": "i"}, 'column "i" holds no custom_id'),
    ],
)
def test_a_row_of_a_dataset_that_is_no_request_names_its_column(row, mapping, says):
    rows = reader(mapping=ColumnMapping(**mapping))
    with pytest.raises(BadRow, match=says):
        rows.read(json.dumps(row).encode(), 1)


def test_columns_become_requests():
    prompts = reader(mapping=ColumnMapping(prompt="p", custom_id="i", max_tokens=3))
    row = prompts.read(b'{"p": "hello", "i": 7}', 1)
    assert row.custom_id == "7"
    assert row.body == {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 3}
    texts = RowReader(EMBEDDINGS, model="m", mapping=ColumnMapping(input="t"))
    row = texts.read(b'{"t": ["a", "b"]}', 12)
    assert (row.custom_id, row.body) == ("row-12", {"input": ["a", "b"]})


def test_names_that_are_used_twice_are_found_over_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "_BATCH_ROWS", 3)
    names = [0, 1, 2, 3, 1, 5, 6, 0, 0, 9]
    content = "\n".join(request(n) for n in names).encode()
    checked = Check(written(tmp_path, content), reader(), tmp_path).run(lambda _: True)
    assert (checked.total, checked.invalid) == (10, 3)
    assert [(one.line, one.reason) for one in checked.problems] == [
        (5, TWICE),
        (8, TWICE),
        (9, TWICE),
    ]
    assert [number for number in range(1, 11) if number in checked.bad] == [5, 8, 9]


def test_a_check_can_be_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "_BATCH_ROWS", 2)
    content = "\n".join(request(n) for n in range(100)).encode()
    checked = Check(written(tmp_path, content), reader(), tmp_path).run(lambda _: False)
    assert checked.total == 2


def test_too_many_rows_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "ROWS_MAX", 3)
    content = "\n".join(request(n) for n in range(4)).encode()
    with pytest.raises(Fatal, match="at most 3 request rows"):
        Check(written(tmp_path, content), reader(), tmp_path).run(lambda _: True)


def test_memory_does_not_grow_with_the_rows(tmp_path):
    def peak(rows):
        content = "\n".join(request(n) for n in range(rows)).encode()
        found = written(tmp_path, content)
        del content
        offsets = Offsets(tmp_path / "offsets")
        tracemalloc.start()
        Check(found, reader(), tmp_path, offsets).run(lambda _: True)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        offsets.close()
        return most

    few = peak(1500)
    assert peak(6000) < few + 100_000


def test_a_set_of_lines_costs_a_bit_for_each():
    found = LineSet()
    for number in (1, 8, 5_000_000):
        found.add(number)
    assert (8 in found, 9 in found, 5_000_000 in found, 9_000_000 in found) == (
        True,
        False,
        True,
        False,
    )
