"""What is refused when a batch is submitted, by field or column, and what it is resolved to."""

import asyncio

import msgspec
import pytest
from batching import FILE_ID, backend, dataset, file

from outlast.inference.models import BackendDocument
from outlast.kinds.batch_inference import BatchSpec, prepare
from outlast.operations.errors import InvalidSpec, NotFound, ResourceExists
from outlast.operations.kind import Prepared
from outlast.testing.running import ListedCatalog

CHATS = [("chat", "json"), ("text", "string"), ("id", "int64"), ("score", "double")]
CATALOG = [backend(has_key=True), file(2), *dataset(CHATS)]
FROM_FILE = {"model": "double", "file": FILE_ID}
FROM_ROWS = {"model": "double", "src": {"dataset": "chats"}, "mapping": {"messages": "chat"}}


def prepared(spec, catalog=CATALOG) -> Prepared:
    return asyncio.run(prepare(msgspec.convert(spec, BatchSpec), ListedCatalog(catalog)))


def test_a_file_is_staged_in_its_parts_and_the_key_is_named_alone():
    found = prepared(FROM_FILE)
    assert found.inputs == {"rows-00000.jsonl": "part-0", "rows-00001.jsonl": "part-1"}
    assert found.plan.files == tuple(found.inputs)
    assert found.secrets == {"backend_key": "backend:near"}
    assert not found.plan.is_table


def test_a_version_is_exported_as_lines_and_makes_a_table():
    found = prepared(FROM_ROWS)
    [keys] = found.exports.values()
    assert found.plan.files == tuple(found.exports)
    assert keys[0].endswith(".parquet")
    assert found.plan.is_table
    assert found.plan.dataset is None


def test_a_backend_without_a_key_needs_no_secret():
    assert prepared(FROM_FILE, [backend(), file()]).secrets == {}


def test_a_tuned_model_is_staged_from_its_own_files():
    tuned = msgspec.structs.replace(
        backend(),
        type="model",
        id="T",
        name="ft:tiny:x",
        document=b'{"base":"tiny","files":{"a.json":"key-a","b.bin":"key-b"}}',
    )
    folder = msgspec.structs.replace(
        backend(),
        id="tiny",
        name="tiny",
        document=msgspec.json.encode(BackendDocument(folder="/models/tiny")),
    )
    found = prepared({"model": "ft:tiny:x", "file": FILE_ID}, [tuned, folder, file()])
    assert found.plan.model_files == {"a.json": "model-0000", "b.bin": "model-0001"}
    assert found.inputs["model-0001"] == "key-b"


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"file": None}, "src", "either a dataset as src or a file"),
        ({"src": {"dataset": "chats"}}, "src", "either"),
        ({"mapping": {"messages": "chat"}}, "mapping", "only a dataset has a mapping"),
        ({"parameters": {"model": "x"}}, "parameters.model", "cannot be set for all rows"),
        ({"parameters": {"stream": True}}, "parameters.stream", "cannot be set"),
        ({"parameters": {"temperature": 2.5}}, "parameters.temperature", "from 0 to 2"),
        ({"parameters": {"top_p": "x"}}, "parameters.top_p", "must be a number"),
        ({"parameters": {"max_tokens": True}}, "parameters.max_tokens", "must be a number"),
        ({"parameters": {"Bad Name": 1}}, "parameters.Bad Name", "not the name of a parameter"),
        ({"parameters": {f"p{n}": n for n in range(65)}}, "parameters", "more than 64"),
        ({"model": None, "replaces_model": True}, "model", "is missing"),
    ],
)
def test_what_is_wrong_with_a_batch_of_a_file_is_said_by_field(change, field, says):
    with pytest.raises(InvalidSpec, match=says) as refused:
        prepared(FROM_FILE | change)
    assert list(refused.value.field_errors) == [field]


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"mapping": None}, "mapping", "says which columns"),
        ({"model": None}, "model", "is missing"),
        ({"mapping": {"prompt": "text", "messages": "chat"}}, "mapping", "one of: messages"),
        ({"mapping": {"input": "text"}}, "mapping", "one of: messages, prompt"),
        ({"endpoint": "/v1/embeddings"}, "mapping", "one of: input"),
        ({"mapping": {"messages": "no"}}, "mapping.messages", "column 'no' does not exist"),
        ({"mapping": {"messages": "id"}}, "mapping.messages", "is of type int64"),
        ({"mapping": {"prompt": "score"}}, "mapping.prompt", "is of type double"),
        (
            {"mapping": {"prompt": "text", "custom_id": "score"}},
            "mapping.custom_id",
            "cannot be used as custom_id",
        ),
        ({"mapping": {"prompt": "text", "max_tokens": 0}}, "mapping.max_tokens", "from 1 to"),
        ({"dst": {"dataset": "no/name"}}, "dataset", "id has"),
    ],
)
def test_what_is_wrong_with_a_batch_of_a_dataset_is_said_by_field(change, field, says):
    with pytest.raises(InvalidSpec, match=says) as refused:
        prepared(FROM_ROWS | change)
    assert list(refused.value.field_errors) == [field]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (FROM_FILE | {"model": "nope"}, "no model 'nope'; known are double, other"),
        (FROM_FILE | {"file": "0" * 20}, "no file"),
        (FROM_ROWS | {"src": {"dataset": "nope"}}, "no dataset 'nope'"),
        (FROM_ROWS | {"src": {"dataset": "chats", "version": "v9"}}, "no version 'v9'"),
    ],
)
def test_what_is_not_there_is_said_by_name(spec, says):
    with pytest.raises(NotFound, match=says):
        prepared(spec)


def test_a_version_name_that_is_taken_is_refused_before_anything_is_paid():
    alias = msgspec.structs.replace(
        backend(), type="dataset_alias", id="chats/v1", name="chats/v1", document=b"{}"
    )
    target = {"dst": {"dataset": "chats", "version_name": "v1"}}
    with pytest.raises(ResourceExists):
        prepared(FROM_ROWS | target, [*CATALOG, alias])


def test_a_file_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("outlast.kinds.batch_inference.FILE_BYTES_MAX", 1)
    with pytest.raises(InvalidSpec, match="more than 1 bytes"):
        prepared(FROM_FILE)
