import sys
from pathlib import Path

import pytest
from model_double import ModelDouble

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def double():
    with ModelDouble(models=("double", "other")) as running:
        yield running


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """A batch that shows in milliseconds what it does in minutes."""
    from outlast.kinds.batch import plan  # noqa: PLC0415

    quick = plan.Patience(
        attempts_max=3,
        delay_seconds=0.005,
        delay_seconds_max=0.02,
        broken_seconds=0.3,
        busy_seconds=0.6,
        pause_seconds_max=2,
    )
    monkeypatch.setattr("outlast.kinds.batch_inference.PATIENCE", quick)
