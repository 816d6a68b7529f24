"""Hyperparameters of fine-tuning: the service's names, and OpenAI's, beside those of our kind."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from outlast.operations.errors import Invalid

Auto = Literal["auto"]

LEARNING_RATES: Final[Mapping[str, float]] = MappingProxyType({"lora": 1e-4, "full": 1e-5})
"""What holds where a request names none, as the kind has it."""

MULTIPLIER_MIN: Final = 0.01


class Hyperparameters(msgspec.Struct, frozen=True, kw_only=True):
    """How to train. What is absent, null or `auto` is left to the server, whose answer says it.

    `learning_rate_multiplier` is OpenAI's: so many times the server's own rate. Rows are never
    packed, whatever `packing` says.
    """

    batch_size: Annotated[int, Meta(ge=1, le=512)] | Auto | None = None
    learning_rate: Annotated[float, Meta(gt=0, le=1)] | Auto | None = None
    learning_rate_multiplier: Annotated[float, Meta(gt=0, le=1000)] | Auto | None = None
    n_epochs: Annotated[int, Meta(ge=1, le=50)] | Auto | None = None
    warmup_ratio: Annotated[float, Meta(ge=0, lt=1)] | None = None
    weight_decay: Annotated[float, Meta(ge=0, le=1)] | None = None
    packing: bool | None = None
    max_grad_norm: Annotated[float, Meta(gt=0, le=100)] | None = None
    context_length: Annotated[int, Meta(ge=16, le=131_072)] | None = None
    lora: bool | None = None
    lora_r: Annotated[int, Meta(ge=1, le=256)] | None = None
    lora_alpha: Annotated[int, Meta(ge=1, le=1024)] | None = None
    lora_dropout: Annotated[float, Meta(ge=0, lt=1)] | None = None


class HyperparametersInForce(msgspec.Struct, frozen=True, kw_only=True):
    """The hyperparameters that a job has."""

    batch_size: int
    learning_rate: float
    n_epochs: int
    warmup_ratio: float
    weight_decay: float
    packing: bool
    max_grad_norm: float
    context_length: int
    lora: bool
    lora_r: int
    lora_alpha: int
    lora_dropout: float


_OURS: Final[Mapping[str, tuple[str, Any]]] = MappingProxyType(
    {
        "batch_size": ("batch_size", 8),
        "n_epochs": ("epochs", 3),
        "warmup_ratio": ("warmup_ratio", 0.0),
        "weight_decay": ("weight_decay", 0.0),
        "max_grad_norm": ("gradient_norm_max", 1.0),
        "context_length": ("context_tokens", 8192),
        "lora_r": ("lora_rank", 8),
        "lora_alpha": ("lora_alpha", 8),
        "lora_dropout": ("lora_dropout", 0.0),
    }
)
"""Name on the wire -> our name, and what holds without it."""


def hyperparameters_spec(asked: Hyperparameters | None, place: str) -> dict[str, Any]:
    """The fields `method` and `hyperparameters` of a spec. Raises Invalid, naming `place`.

    Without `lora` all weights are trained, as the service documents it.
    """
    asked = asked or Hyperparameters()
    method = "lora" if asked.lora else "full"
    ours = {
        name: value
        for wire, (name, _) in _OURS.items()
        if (value := getattr(asked, wire)) not in {None, "auto"}
    }
    multiplier = asked.learning_rate_multiplier
    if isinstance(asked.learning_rate, float | int):
        ours["learning_rate"] = asked.learning_rate
    elif isinstance(multiplier, float | int):
        if multiplier < MULTIPLIER_MIN:
            message = f"is at least {MULTIPLIER_MIN}: it multiplies; a rate is `learning_rate`"
            field = f"{place}.learning_rate_multiplier"
            raise Invalid(f"learning_rate_multiplier {message}", field_errors={field: message})
        ours["learning_rate"] = multiplier * LEARNING_RATES[method]
    return {"method": method, "hyperparameters": ours}


def hyperparameters_on_wire(spec: Mapping[str, Any]) -> HyperparametersInForce:
    """The hyperparameters of a spec, with those that hold because none was named."""
    method = spec.get("method", "lora")
    ours = spec.get("hyperparameters") or {}
    known = {wire: ours.get(name) or default for wire, (name, default) in _OURS.items()}
    rate = ours.get("learning_rate") or LEARNING_RATES[method]
    return HyperparametersInForce(**known, learning_rate=rate, lora=method == "lora", packing=False)


def wire_hyperparameter(path: str) -> str:
    """Where a request has what a path below a spec's `hyperparameters` names."""
    wires = {name: wire for wire, (name, _) in _OURS.items()}
    return f"hyperparameters.{wires.get(path, path)}"
