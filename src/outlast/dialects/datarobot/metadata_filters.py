"""Metadata filters on the wire, and the conditions of our specs, both ways."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from outlast.operations.errors import Invalid

_OPERATORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "$eq": "is",
        "$ne": "is_not",
        "$gt": "above",
        "$gte": "at_least",
        "$lt": "below",
        "$lte": "at_most",
        "$in": "is",
        "$nin": "is_not",
        "$contains": "contains",
        "$not_contains": "contains_not",
    }
)
_SHOWN: Final = {operator: word for word, operator in reversed(list(_OPERATORS.items()))}
_LISTS: Final = {"is": "$in", "is_not": "$nin"}
_JOINED: Final[Mapping[str, str]] = MappingProxyType({"$and": "every", "$or": "some"})
_NAME: Final = "metadataFilter"
_DEPTH_MAX: Final = 8


def conditions_of(wanted: Mapping[str, Any] | None, depth: int = 0) -> dict[str, Any] | None:
    """What a filter asks for, as our specs say it; None for nothing. Raises Invalid."""
    if not wanted:
        return None
    if depth > _DEPTH_MAX:
        raise _invalid(f"is nested more than {_DEPTH_MAX} deep")
    parts: list[dict[str, Any]] = []
    for name, value in wanted.items():
        if name in _JOINED:
            parts.append({"type": _JOINED[name], "of": _members(name, value, depth)})
        elif name.startswith("$"):
            raise _invalid(f"there is no {name[:64]!r} here; {', '.join(_JOINED)} join filters")
        elif isinstance(value, dict):
            parts += [_condition(name, word, one) for word, one in value.items()]
        else:
            parts.append(_condition(name, "$eq", value))
    return parts[0] if len(parts) == 1 else _every(parts)


def filter_of(conditions: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The filter that asks for what a spec says."""
    if conditions is None:
        return None
    if conditions["type"] == "field":
        return {conditions["field"]: _wanted(conditions)}
    of = conditions["of"]
    if conditions["type"] == "every" and _are_simple(of):
        return {one["field"]: _wanted(one) for one in of}
    word = "$and" if conditions["type"] == "every" else "$or"
    return {word: [filter_of(one) for one in of]}


def _members(name: str, wanted: Any, depth: int) -> list[dict[str, Any]]:
    if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
        raise _invalid(f"{name} joins a list of filters")
    return [conditions_of(one, depth + 1) or _every([]) for one in wanted]


def _condition(name: str, word: str, value: Any) -> dict[str, Any]:
    operator = _OPERATORS.get(word)
    if operator is None:
        raise _invalid(f"there is no {word[:64]!r}; there are {', '.join(_OPERATORS)}")
    values = value if word in _LISTS.values() else [value]
    if not isinstance(values, list) or not all(
        isinstance(one, str | int | float | bool) for one in values
    ):
        raise _invalid(f"{name[:64]!r}: {word} takes texts, numbers and booleans")
    return {"type": "field", "field": name, "operator": operator, "values": values}


def _every(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "every", "of": parts}


def _wanted(condition: Mapping[str, Any]) -> Any:
    operator, values = condition["operator"], condition["values"]
    if operator in _LISTS and len(values) != 1:
        return {_LISTS[operator]: list(values)}
    return values[0] if operator == "is" else {_SHOWN[operator]: values[0]}


def _are_simple(of: Sequence[Mapping[str, Any]]) -> bool:
    fields = [one["field"] for one in of if one["type"] == "field"]
    return len(fields) == len(of) == len(set(fields))


def _invalid(message: str) -> Invalid:
    return Invalid(f"{_NAME}: {message}", field_errors={_NAME: message})
