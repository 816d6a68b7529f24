import json
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from nebius_examples import EXAMPLES

from outlast.dialects.nebius import Nebius
from outlast.dialects.nebius.operation_types import OperationResponse
from outlast.dialects.nebius.words import STATUSES, TYPES, Status
from outlast.testing.dialect_contract import DialectContract

SAMPLES = json.loads((Path(__file__).parent / "nebius_samples.json").read_text())


class TestNebius(DialectContract):
    dialect = Nebius()
    examples: ClassVar = EXAMPLES


def test_every_type_has_an_example():
    assert EXAMPLES.keys() == TYPES.keys()


def test_unknown_is_documented_and_never_shown():
    assert Status.UNKNOWN not in STATUSES.values()
    assert set(Status) == {*STATUSES.values(), Status.UNKNOWN}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["source"])
def test_a_published_sample_is_an_operation_here_to_the_letter(sample):
    operation = msgspec.convert(sample["operation"], OperationResponse)
    assert msgspec.to_builtins(operation) == sample["operation"]
