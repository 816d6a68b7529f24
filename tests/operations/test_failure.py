import msgspec
import pytest

from outlast.operations.failure import Failure, platform_failure


def test_a_platform_failure_may_be_tried_again():
    failure = platform_failure("crashed", "the child died", signal=9)
    assert failure.fault == "platform"
    assert failure.retryable
    assert failure.details == {"signal": 9}


def test_a_failure_survives_storage_with_its_cause():
    cause = Failure(code="a", message="b", fault="user", field_errors={"x": "y"})
    failure = Failure(code="c", message="d", fault="platform", retry_after_seconds=1.5, cause=cause)
    assert msgspec.json.decode(msgspec.json.encode(failure), type=Failure) == failure


def test_nobody_else_can_be_at_fault():
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"code":"a","message":"b","fault":"weather"}', type=Failure)


def test_a_failure_cannot_be_changed():
    with pytest.raises(AttributeError):
        platform_failure("a", "b").code = "c"
