"""A thousand policies and documents, nearly right and hostile, in real locked children."""

import os
from collections import Counter
from pathlib import Path

import policy_fuzzing
import pytest
from policy_process import PolicyProcess

from outlast.executors.calls import Sandbox
from outlast.executors.launching import Launcher
from outlast.resources.policies.format import PolicyDocument

CALLS = 10
CASES = 100


@pytest.fixture
async def sandbox(tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o711)
    (data / "secret.key").write_text(policy_fuzzing.CANARY)
    environment = {"PATH": os.environ["PATH"], "OUTLAST_SECRET_KEY": policy_fuzzing.CANARY}
    support = str(Path(policy_fuzzing.__file__).parent)
    launcher = Launcher(data / "work", environment=environment, path=[support])
    await launcher.open()
    yield Sandbox(launcher)
    await launcher.close()


@pytest.mark.timeout(600)
async def test_a_thousand_of_them_end_in_verdicts_with_places_and_see_nothing(sandbox):
    counts = Counter()
    for seed in range(CALLS):
        async with sandbox(
            "policy_fuzzing:run",
            policy_fuzzing.arguments_of_cases(seed, CASES),
            inputs={},
            timeout_seconds=300,
            preload=("outlast.resources.policies.locked",),
        ) as called:
            assert called.answer["broken"] == []
            assert called.locked.holds
            counts.update(called.answer["counts"])
    assert counts.total() == CALLS * CASES
    # What the generator makes is neither all wrong nor all right.
    assert counts["error"] > 100
    assert min(counts[one] for one in ("passed", "failed", "skipped")) > 3, counts


def test_a_policy_with_more_steps_than_its_engine_takes_is_an_error():
    endless = """package endless

result := {"violations": [x |
    some x in numbers.range(1, 10000)
    some y in numbers.range(1, 10000)
    x < y
    x > y
]}"""
    process = PolicyProcess()
    try:
        policy = PolicyDocument(name="endless", language="rego", source=endless)
        error = process.judge(policy, {}, seconds=100).error
    finally:
        process.close()
    assert (error.line, error.column, error.is_certain) == (3, 1, False)
    assert "ten million steps" in error.message
