"""In which order a list is asked for, and the switches of its query."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from outlast.http.routing import Call, Parameter
from outlast.operations.errors import Invalid

T = TypeVar("T")

_SWITCHES: Final = {"true": True, "false": False}


def sort_parameter(keys: Mapping[str, Any]) -> Parameter:
    """The parameter that names what a list is sorted by."""
    words = [word for key in keys for word in (key, f"-{key}")]
    return Parameter(
        name="sort",
        schema={"type": "string", "enum": words},
        says="What to sort by; with - before it, from the end. Without it: the newest first.",
    )


def switch_parameter(name: str, says: str) -> Parameter:
    """A parameter that is true or false."""
    return Parameter(name=name, schema={"type": "boolean"}, says=says)


def ordered(call: Call, things: Sequence[T], keys: Mapping[str, Callable[[T], Any]]) -> Sequence[T]:
    """The things in the order that is asked for. Raises Invalid."""
    word = call.one("sort")
    if word is None:
        return things
    key = keys.get(word.removeprefix("-"))
    if key is None:
        message = f"sort is one of {', '.join(keys)}, with or without - before it"
        raise Invalid(message, field_errors={"sort": message})
    return sorted(things, key=key, reverse=word.startswith("-"))


def parse_switch(call: Call, name: str) -> bool | None:
    """Whether a parameter is true; None where it is not given. Raises Invalid."""
    text = call.one(name)
    if text is None:
        return None
    if text.lower() not in _SWITCHES:
        raise Invalid(f"{name} is true or false", field_errors={name: "is true or false"})
    return _SWITCHES[text.lower()]
