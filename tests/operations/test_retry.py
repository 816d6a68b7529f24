import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.operations.retry import DELAY_SECONDS_LIMIT, RetryPolicy

CHANCES = st.floats(0, 1, exclude_max=True)
POLICIES = st.builds(
    RetryPolicy,
    attempts_max=st.integers(1, 1000),
    delay_seconds=st.floats(0, DELAY_SECONDS_LIMIT),
    delay_seconds_max=st.floats(0, DELAY_SECONDS_LIMIT),
    factor=st.floats(1, 100),
    jitter=st.floats(0, 1),
)


@given(POLICIES, st.integers(1, 1000), CHANCES)
def test_a_delay_is_never_negative_and_never_more_than_the_maximum(policy, attempt, chance):
    delay = policy.next_delay(attempt, chance)
    assert 0 <= delay <= policy.delay_seconds_max


@given(POLICIES, st.integers(1, 999), CHANCES)
def test_a_later_attempt_never_waits_less(policy, attempt, chance):
    assert policy.next_delay(attempt, chance) <= policy.next_delay(attempt + 1, chance)


@given(POLICIES, st.integers(1, 1000), CHANCES)
def test_jitter_takes_away_at_most_its_share(policy, attempt, chance):
    whole = policy.next_delay(attempt, 0)
    least = whole * (1 - policy.jitter)
    assert least * (1 - 1e-9) <= policy.next_delay(attempt, chance) <= whole


def test_delays_double_up_to_the_maximum():
    policy = RetryPolicy(delay_seconds=1, delay_seconds_max=10, factor=2, jitter=0)
    assert [policy.next_delay(attempt, 0.5) for attempt in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_without_jitter_chance_changes_nothing():
    policy = RetryPolicy(jitter=0)
    assert policy.next_delay(3, 0.0) == policy.next_delay(3, 0.999)


def test_the_steepest_policy_does_not_overflow_on_its_last_attempt():
    policy = RetryPolicy(attempts_max=1000, factor=100, delay_seconds=DELAY_SECONDS_LIMIT)
    assert policy.next_delay(1000, 0) == policy.delay_seconds_max


def test_a_policy_of_no_delay_does_not_wait():
    assert RetryPolicy(delay_seconds=0, factor=100).next_delay(1000, 0.5) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts_max": 0},
        {"attempts_max": 1001},
        {"attempts_max": -1},
        {"jitter": -0.1},
        {"jitter": 1.1},
        {"jitter": math.nan},
        {"delay_seconds": -1},
        {"delay_seconds": math.nan},
        {"delay_seconds": math.inf},
        {"delay_seconds_max": -1},
        {"delay_seconds_max": math.nan},
        {"delay_seconds_max": math.inf},
        {"factor": 0.9},
        {"factor": 101},
        {"factor": math.inf},
        {"factor": math.nan},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)).split("_")[0]):
        RetryPolicy(**wrong)


def test_a_policy_that_makes_no_sense_is_refused_in_json_as_well():
    with pytest.raises(msgspec.ValidationError, match="jitter"):
        msgspec.json.decode(b'{"jitter": 2}', type=RetryPolicy)


@pytest.mark.parametrize("attempts_max", [1, 1000])
def test_both_ends_of_the_number_of_attempts_are_allowed(attempts_max):
    assert RetryPolicy(attempts_max=attempts_max).attempts_max == attempts_max
