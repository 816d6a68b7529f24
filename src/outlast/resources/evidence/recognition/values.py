"""Looks at values that may be anything: what does not fit is as if it were not there."""

from collections.abc import Iterator, Mapping
from typing import Any


def text(value: Any) -> str:
    """A text; of anything else, none."""
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> Mapping[str, Any]:
    """An object; of anything else, an empty one."""
    return value if isinstance(value, dict) else {}


def number(value: Any) -> float | None:
    """A number, also as the text of one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def texts_of(value: Mapping[str, Any], name: str) -> list[str]:
    """The texts of a list in an object."""
    found = value.get(name)
    return [text(one) for one in found] if isinstance(found, list) else []


def lists_of(value: Mapping[str, Any], name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a list in an object, each with its index."""
    found = value.get(name)
    for index, one in enumerate(found if isinstance(found, list) else []):
        if isinstance(one, dict):
            yield index, one
