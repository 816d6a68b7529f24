import msgspec
import pytest

from outlast.operations import transitions
from outlast.operations.model import SECOND, HistoryEvent, Operation, Submission

SUBMISSION = Submission(tenant="t", created_by="m", kind="k", spec=b"{}")


def test_an_instant_counts_microseconds():
    assert SECOND == 1_000_000


def test_an_operation_survives_storage_whole():
    operation = transitions.submit(SUBMISSION, "0" * 20, 7).operation
    stored = msgspec.msgpack.encode(operation)
    assert msgspec.msgpack.decode(stored, type=Operation) == operation


def test_an_operation_cannot_be_changed():
    operation = transitions.submit(SUBMISSION, "0" * 20, 7).operation
    with pytest.raises(AttributeError):
        operation.state = "succeeded"


def test_every_wish_of_a_submission_has_its_place_in_the_operation():
    assert set(Submission.__struct_fields__) <= set(Operation.__struct_fields__)


def test_an_event_carries_no_data_unless_it_has_some():
    event = HistoryEvent(number=1, revision=1, type="created", at=1, attempt=0, actor="m")
    assert event.data == {}
