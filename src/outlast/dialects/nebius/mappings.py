"""Mappings: what a dataset's columns stand for, when its rows become requests to a model.

`text_messages` is the service's own. `text_prompt` and `text_input` are ours, in its manner.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import msgspec


class ColumnValue(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="column"):
    """What a column holds."""

    name: Annotated[str, msgspec.Meta(min_length=1)]


class NumberValue(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="number"):
    """The same number for every row."""

    value: int


class TextMessages(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag="text_messages",
):
    """Chats: `messages` is an array of chat messages, as a list or as JSON text."""

    messages: ColumnValue
    custom_id: ColumnValue | None = None
    max_tokens: NumberValue | None = None


class TextPrompt(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag="text_prompt",
):
    """Questions: `prompt` is a user's message as text."""

    prompt: ColumnValue
    custom_id: ColumnValue | None = None
    max_tokens: NumberValue | None = None


class TextInput(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag="text_input",
):
    """Texts to embed."""

    input: ColumnValue
    custom_id: ColumnValue | None = None


TextMapping: TypeAlias = TextMessages | TextPrompt | TextInput


def mapping_spec(mapping: TextMapping) -> dict[str, Any]:
    """A mapping as the kind `batch_inference` has it: field -> column, and max_tokens."""
    spec: dict[str, Any] = {}
    for name in mapping.__struct_fields__:
        match getattr(mapping, name):
            case ColumnValue() as column:
                spec[name] = column.name
            case NumberValue() as number:
                spec[name] = number.value
    return spec


def mapping_on_wire(spec: Mapping[str, Any]) -> TextMapping:
    """A mapping of the kind `batch_inference` as the wire has it."""
    names = ("messages", "prompt", "input", "custom_id")
    fields: dict[str, Any] = {
        name: ColumnValue(name=spec[name]) for name in names if spec.get(name) is not None
    }
    if "input" in fields:
        return TextInput(**fields)
    if spec.get("max_tokens") is not None:
        fields["max_tokens"] = NumberValue(value=spec["max_tokens"])
    return TextPrompt(**fields) if "prompt" in fields else TextMessages(**fields)


def mapping_path(field: str) -> str:
    """Where the wire has what a field of a spec's mapping says."""
    return f"{field}.value" if field == "max_tokens" else f"{field}.name"
