"""Real training of a tiny model, without a server."""

import pytest
import tiny_model
from tuning import Training, losses

# The libraries warn each other of what they will drop.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
EPOCHS = {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    tiny_model.make_model(folder)
    return folder


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_training_that_was_cancelled_at_half_goes_on_as_if_nothing_had_been(
    model, tmp_path, method
):
    wish = {"method": method, "hyperparameters": EPOCHS | {"lora_dropout": 0.1}, "seed": 3}
    whole = Training(tmp_path / "whole", model, **wish)
    expected = losses(whole.attempt())
    halved = Training(tmp_path / "halved", model, **wish)
    first = halved.attempt(1, stop_at=5)
    assert halved.outcome is None
    second = halved.attempt(2)
    assert sorted(losses(first)) == [1, 2, 3, 4, 5]
    assert sorted(losses(second)) == [6, 7, 8, 9, 10]
    assert losses(first) | losses(second) == expected
    assert halved.result["trained_tokens"] == whole.result["trained_tokens"]
    assert halved.result["train_loss"] == expected[10] < expected[1]
