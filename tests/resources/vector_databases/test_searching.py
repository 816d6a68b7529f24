"""What a search finds under conditions, beside what it found, and when it shall differ."""

import msgspec
import pyarrow as pa
import pytest

from outlast.operations.errors import InvalidSpec
from outlast.resources.vector_databases.calls import SearchArguments
from outlast.resources.vector_databases.filtering import (
    Condition,
    Every,
    Some,
    check_where,
    where_of,
)
from outlast.resources.vector_databases.locked import search

CHUNKS = [
    ("owls.txt", 1, {"year": 1999, "language": "en", "is_public": True}, [1.0, 0.0]),
    ("owls.txt", 2, {"year": 2005, "language": "de"}, [0.99, 0.14]),
    ("cats.txt", None, {"year": 2010.5, "language": "en", "a/b": "x"}, [0.7, 0.71]),
    ("cats.txt", None, {"language": "fr"}, [0.0, 1.0]),
]


@pytest.fixture
def chunks(tmp_path):
    rows = [
        {
            "id": number,
            "document": document,
            "page": page,
            "text": f"chunk {number}",
            "metadata": msgspec.json.encode(metadata).decode(),
            "vector": vector,
        }
        for number, (document, page, metadata, vector) in enumerate(CHUNKS)
    ]
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("document", pa.string()),
            ("page", pa.int32()),
            ("text", pa.string()),
            ("metadata", pa.string()),
            ("vector", pa.list_(pa.float32(), 2)),
        ]
    )
    table = pa.Table.from_pylist(rows, schema=schema)
    with (
        pa.OSFile(str(tmp_path / "chunks.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, schema) as w,
    ):
        w.write_table(table)

    def look(*vectors, **arguments):
        call = SearchArguments(**{"limit": 10, "vectors": vectors or ((1.0, 0.0),)} | arguments)
        answer = search(msgspec.json.encode(call), tmp_path)
        return answer.get("error") or [[hit["chunk"] for hit in hits] for hits in answer["hits"]]

    return look


def field(name, operator, *values):
    return Condition(field=name, operator=operator, values=values)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (where_of({}), [0, 1, 2, 3]),
        (where_of({"language": "en"}), [0, 2]),
        (where_of({"language": ["en", "fr"], "document": "cats.txt"}), [2, 3]),
        (where_of({"page": 2}), [1]),
        (where_of({"a/b": "x"}), [2]),
        (where_of({"is_public": True}), [0]),
        (field("year", "is_not", 1999), [1, 2, 3]),
        (field("year", "is_not", 1999, 2005), [2, 3]),
        (field("year", "above", 2005), [2]),
        (field("year", "at_least", 2005), [1, 2]),
        (field("year", "below", 2005.5), [0, 1]),
        (field("year", "at_most", 1999), [0]),
        (field("language", "above", 1), []),
        (field("document", "contains", "owl"), [0, 1]),
        (field("language", "contains_not", "e"), [3]),
        (Some(of=(field("year", "is", 1999), field("language", "is", "fr"))), [0, 3]),
        (Every(of=(field("year", "above", 1), Some(of=()))), []),
        (Every(of=(field("year", "above", 2000), field("language", "is", "de"))), [1]),
    ],
)
def test_conditions_say_which_chunks_are_looked_at(chunks, where, found):
    check_where(where)
    assert chunks(where=where) == [found]


def test_several_questions_are_answered_in_their_order(chunks):
    assert chunks((0.0, 1.0), (1.0, 0.0), limit=2) == [[3, 2], [0, 1]]
    assert "3 dimensions" in chunks((1.0, 0.0, 0.0))


def test_what_is_unlike_is_taken_before_what_is_nearly_the_same(chunks):
    assert chunks(limit=2) == [[0, 1]]
    assert chunks(limit=2, relevance=0.3) == [[0, 3]]


def test_neighbours_in_the_same_document_are_shown_too(chunks):
    assert chunks(limit=1, with_neighbours=True) == [[0, 1]]
    assert chunks((0.7, 0.71), limit=1, with_neighbours=True) == [[2, 3]]


@pytest.mark.parametrize(
    "where",
    [
        where_of({f"f{n}": "x" for n in range(17)}),
        where_of({"f": []}),
        where_of({"f": ["x"] * 101}),
        field("f", "above", "text"),
        field("f", "above", "1", "2"),
        field("f", "below", 1, 2),
        field("f", "contains", 1),
        Every(
            of=(
                Every(
                    of=(
                        Every(
                            of=(
                                Every(
                                    of=(
                                        Every(
                                            of=(
                                                Every(of=(Every(of=(Every(of=(Every(of=()),)),)),)),
                                            )
                                        ),
                                    )
                                ),
                            )
                        ),
                    )
                ),
            )
        ),
    ],
)
def test_conditions_that_make_no_sense_or_are_too_many_are_refused(where):
    with pytest.raises(InvalidSpec) as raised:
        check_where(where)
    assert "filters" in raised.value.field_errors
