"""What fine-tuning is asked for, what its handler is given, and what it answers."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Method = Literal["lora", "full"]


class Hyperparameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to train. `steps_max` ends training before the epochs do.

    Without a learning rate it is 1e-4 for LoRA and 1e-5 else. `context_tokens` cuts longer rows;
    without it the model's own context does, at most 8,192. `lora_targets` names the modules that
    get an adapter; without it all linear ones do.
    """

    epochs: Annotated[int, Meta(ge=1, le=50)] = 3
    steps_max: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    batch_size: Annotated[int, Meta(ge=1, le=512)] = 8
    learning_rate: Annotated[float, Meta(gt=0, le=1)] | None = None
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_ratio: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Meta(ge=0, le=1)] = 0.0
    gradient_norm_max: Annotated[float, Meta(gt=0, le=100)] = 1.0
    context_tokens: Annotated[int, Meta(ge=16, le=131_072)] | None = None
    lora_rank: Annotated[int, Meta(ge=1, le=256)] = 8
    lora_alpha: Annotated[int, Meta(ge=1, le=1024)] = 8
    lora_dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    lora_targets: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)] | None = None

    def learning_rate_for(self, method: Method) -> float:
        """The learning rate that holds."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 1e-4 if method == "lora" else 1e-5


class RowFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Files of the workdir that hold rows, and the column of the messages if they are a dataset."""

    files: tuple[str, ...]
    column: str | None = None


class FineTuningPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs.

    `folder` holds the model, or the base of one that was tuned before: `tuned` names the files of
    that one, which are in the workdir under the prefix TUNED.
    """

    base: str
    folder: str
    tuned: tuple[str, ...] = ()
    method: Method
    hyperparameters: Hyperparameters
    train: RowFiles
    validation: RowFiles | None = None
    seed: int
    suffix: str | None = None
    checkpoint_steps: int | None = None
    is_deterministic: bool = False


class CheckpointResult(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that became a model."""

    model: str
    step: int
    metrics: Mapping[str, float]


class FineTuningResult(msgspec.Struct, frozen=True, kw_only=True):
    """The model that was made, and how it came about.

    `loss_on` says which tokens were learnt: those of the assistant, or all where the model's chat
    template does not tell them apart. `trained_tokens` counts what was read in all epochs.
    """

    model: str
    base: str
    method: Method
    steps: int
    rows: int
    trained_tokens: int
    train_loss: float
    validation_loss: float | None
    loss_on: Literal["assistant", "all"]
    device: str
    checkpoints: tuple[CheckpointResult, ...]


TUNED = "tuned-"
