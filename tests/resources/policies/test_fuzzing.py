"""Nearly right and hostile policies and documents: a thousand more are in tests/heavy/policies."""

import os

from policy_fuzzing import CANARY, arguments_of_cases
from policy_process import PolicyProcess


def test_whatever_a_policy_is_it_ends_in_a_verdict_with_a_place_and_sees_nothing(monkeypatch):
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/{CANARY}")
    process = PolicyProcess()
    try:
        told = process.call("policy_fuzzing:run", arguments_of_cases(seed=8, count=50))
    finally:
        process.close()
    assert told["broken"] == []
    # What the generator makes is neither all wrong nor all right.
    assert told["counts"]["error"] > 5
    assert sum(told["counts"].get(one, 0) for one in ("passed", "failed", "skipped")) > 5
