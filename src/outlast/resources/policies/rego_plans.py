"""The plan that a policy in Rego is compiled to: what it calls, and where its statements are."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from outlast.resources.policies.verdicts import Position


class Plan:
    """The plan that a policy was compiled to."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.functions: dict[str, Any] = {one["name"]: one for one in plan["funcs"]["funcs"]}

    def calls(self) -> Iterator[tuple[str, Position | None]]:
        """Every function that is called, and where."""
        for function in self.functions.values():
            for kind, statement in _statements(function):
                if kind == "CallStmt":
                    yield statement["func"], _position(statement)

    def position_of(self, part: Any) -> Position | None:
        """Where a part of it begins."""
        places = (_position(statement) for _, statement in _statements(part))
        return next((place for place in places if place), None)

    def find(self, kind: str, arguments: str) -> tuple[str, Position] | None:
        """What failed, and where, if it is this statement, which a trace names."""
        numbers = dict(re.findall(r"(\w+)=(?:local\()?(\d+)", arguments))
        called = re.search(r"func_name=([^,]*)", arguments)
        for function in self.functions.values():
            last = self.position_of(function)
            for found, statement in _statements(function):
                last = _position(statement) or last
                if found != kind or last is None:
                    continue
                if called and [str(statement["func"]), str(statement["result"])] == [
                    called[1],
                    numbers.get("result"),
                ]:
                    return f"{called[1]} failed", last
                if kind == "AssignVarOnceStmt" and str(statement["target"]) == numbers["target"]:
                    return "the rule has more than one value", self.position_of(function) or last
        return None


def _statements(part: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every statement of a part of a plan, outer ones first."""
    if isinstance(part, list):
        for one in part:
            yield from _statements(one)
    elif isinstance(part, dict):
        if isinstance(part.get("stmt"), dict):
            yield part["type"], part["stmt"]
        for one in part.values():
            if isinstance(one, dict | list):
                yield from _statements(one)


def _position(statement: Mapping[str, Any]) -> Position | None:
    if "row" not in statement:
        return None
    return Position(statement["row"] + 1, statement["col"] + 1)
