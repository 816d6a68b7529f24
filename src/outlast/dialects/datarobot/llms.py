"""Language models on the wire: the models of this installation's backends."""

from collections.abc import Sequence
from typing import Final

import msgspec

_UNKNOWN: Final = "unknown"


class SettingConstraints(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True
):
    """What values a setting may have."""

    type: str
    min_value: float | None = None
    max_value: float | None = None
    min_length: int | None = None
    max_length: int | None = None


class SettingDefinition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A setting of a model."""

    id: str
    name: str
    description: str
    type: str
    format: str | None = None
    is_nullable: bool = True
    constraints: SettingConstraints
    default_value: str | float | None = None


class LanguageModelDefinition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A model that can be asked. Its id is its name at this installation."""

    id: str
    name: str
    description: str
    vendor: str
    license: str = _UNKNOWN
    supported_languages: str = _UNKNOWN
    settings: Sequence[SettingDefinition]
    context_size: int | None = None
    retirement_date: str | None = None
    is_deprecated: bool = False
    is_active: bool = True


def llm_on_wire(name: str, backend: str | None) -> LanguageModelDefinition:
    """A model of a backend, or one that was tuned here."""
    return LanguageModelDefinition(
        id=name,
        name=name,
        description=f"A model of the backend {backend}" if backend else "A tuned model",
        vendor=backend or "Outlast",
        settings=_SETTINGS,
    )


_SETTINGS: Final = (
    SettingDefinition(
        id="systemPrompt",
        name="System prompt",
        description="What the model is told before all else.",
        type="string",
        format="multiline",
        constraints=SettingConstraints(type="string", min_length=0, max_length=50_000),
    ),
    SettingDefinition(
        id="maxCompletionLength",
        name="Max completion length",
        description="How many tokens an answer has at most.",
        type="integer",
        constraints=SettingConstraints(type="integer", min_value=1, max_value=1_000_000),
    ),
    SettingDefinition(
        id="temperature",
        name="Temperature",
        description="How much the answer varies.",
        type="float",
        constraints=SettingConstraints(type="float", min_value=0, max_value=2),
    ),
    SettingDefinition(
        id="topP",
        name="Top P",
        description="From how much of the probability the next token is taken.",
        type="float",
        constraints=SettingConstraints(type="float", min_value=0, max_value=1),
    ),
)
