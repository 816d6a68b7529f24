"""What the dialect asks our kinds for is what they take."""

from pathlib import Path

import msgspec
import pytest
from nebius_examples import EXAMPLES

from outlast.app.kinds import install_kinds
from outlast.dialects.nebius.operation_types import CONVERSIONS, RunOperationRequest
from outlast.dialects.nebius.operations import (
    operation_on_wire,
    read_request,
    request_kind,
    request_path,
)
from outlast.dialects.nebius.words import KINDS
from outlast.engine.preparing import decode_spec
from outlast.operations.documents import canonical
from outlast.operations.states import State
from outlast.settings import Settings
from outlast.testing.dialect_contract import Example, make_operation
from outlast.testing.goldens import golden_files, golden_name, read_golden

KINDS_HERE = install_kinds(Settings()).kinds
ACCEPTED = [
    path
    for path in golden_files(Path(__file__).parent / "nebius")
    if path.stem.startswith("run-") and read_golden(path).response.status == 200
]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_an_example_is_a_spec_of_its_kind(kind):
    decode_spec(KINDS_HERE[kind], msgspec.json.encode(EXAMPLES[kind].spec))


@pytest.mark.parametrize("path", ACCEPTED, ids=golden_name)
def test_a_request_becomes_a_spec_of_its_kind(path):
    request = msgspec.convert(read_golden(path).request.json, RunOperationRequest)
    decode_spec(KINDS_HERE[request_kind(request)], canonical(read_request(request).spec))


def test_every_type_is_asked_for_by_a_golden_request():
    types = {read_golden(path).request.json["type"] for path in ACCEPTED}
    assert types == set(KINDS) == set(CONVERSIONS)


@pytest.mark.parametrize(
    ("request_", "path", "shown"),
    [
        ({"type": "yql", "params": {"query": ""}}, "query", "params.query"),
        ({"type": "yql", "params": {"query": ""}}, "src", "src"),
        ({"type": "yql", "params": {"query": ""}}, "src[2].dataset", "src[2].id"),
        ({"type": "yql", "params": {"query": ""}}, "src[0].version", "src[0].version"),
        ({"type": "yql", "params": {"query": ""}}, "dst.dataset", "dst[0].id"),
        ({"type": "yql", "params": {"query": ""}}, "dst.version_name", "dst[0].version"),
        ({"type": "batch_inference", "params": {}}, "model", "params.model"),
        ({"type": "batch_inference", "params": {}}, "parameters.top_p", "params.top_p"),
        ({"type": "batch_inference", "params": {}}, "file", "params.input_file_id"),
        (
            {"type": "batch_inference", "params": {}},
            "mapping.messages",
            "src[0].mapping.messages.name",
        ),
        ({"type": "materialize_history"}, "created_before", "params.to"),
        ({"type": "materialize_history"}, "metadata", "params.filters.metadata"),
        ({"type": "materialize_history"}, "model", "params.model"),
        (
            {"type": "finetuning", "params": {"model": "m"}},
            "hyperparameters.epochs",
            "params.hyperparameters.n_epochs",
        ),
        ({"type": "finetuning", "params": {"model": "m"}}, "train.dataset", "src.id"),
        ({"type": "finetuning", "params": {"model": "m"}}, "suffix", "params.suffix"),
        ({"type": "file_to_dataset", "params": {"file_id": "f"}}, "file", "params.file_id"),
        ({"type": "dataset_to_file"}, "version", "src[0].version"),
        ({"type": "dataset_to_file"}, "purpose", "params.purpose"),
    ],
)
def test_a_complaint_about_a_spec_names_the_field_of_the_request(request_, path, shown):
    assert request_path(msgspec.convert(request_, RunOperationRequest), path) == shown


def asked_again(kind, spec):
    """The spec that the wire form of an operation would ask for, were it sent as a request."""
    operation = make_operation(kind, Example(spec=spec), State.PENDING)
    shown = msgspec.to_builtins(operation_on_wire(operation))
    return read_request(msgspec.convert(shown, RunOperationRequest)).spec


def holds(whole, part):
    """Whether a spec has all that another one has; defaults that are spelt out may come on top."""
    if isinstance(part, dict):
        return all(name in whole and holds(whole[name], part[name]) for name in part)
    return whole == part


@pytest.mark.parametrize("kind", EXAMPLES)
def test_what_is_shown_asks_for_the_same_again(kind):
    spec = EXAMPLES[kind].spec
    again = asked_again(kind, spec)
    assert holds(again, spec)
    assert asked_again(kind, again) == again


@pytest.mark.parametrize("path", ACCEPTED, ids=golden_name)
def test_nothing_of_a_request_is_lost_on_its_way_back(path):
    request = msgspec.convert(read_golden(path).request.json, RunOperationRequest)
    spec = read_request(request).spec
    assert holds(asked_again(request_kind(request), spec), spec)
