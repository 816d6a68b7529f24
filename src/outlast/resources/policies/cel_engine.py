"""Evaluates policies in CEL. For a process that may be killed: it takes as long as it takes.

Its compiler tells where a text is malformed. What fails later is placed at the name that it names,
else at the beginning of the expression.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import cel
from cel import stdlib

from outlast.resources.policies.format import PolicyDocument, Rule, Severity, expressions
from outlast.resources.policies.verdicts import (
    VIOLATIONS_MAX,
    PolicyError,
    PolicyFailed,
    Position,
    RawViolation,
    Seen,
    Verdict,
    pointer_of,
    position_at,
    shortened,
)

_PLAIN_PATH: Final = re.compile(r"\s*input((?:\.[A-Za-z_]\w*)*)\s*")
_PLACED: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_NAMED: Final = re.compile(r"'([^'\n]+)'")
_INTEGERS: Final = range(-(2**63), 2**64)
_HINTS: Final = (" Check ", " CEL does not coerce", " Convert explicitly")

Programs: TypeAlias = Mapping[str, cel.Program]


class CelPolicy:
    """A compiled policy. Raises PolicyFailed for expressions that are none."""

    def __init__(self, policy: PolicyDocument) -> None:
        self._policy = policy
        self._texts = dict(expressions(policy))
        self._programs = {name: _compile(name, text) for name, text in self._texts.items()}

    def evaluate(self, seen: Seen) -> Verdict:
        """What the policy says. Raises PolicyFailed."""
        values = _Values(seen)
        if "skip_when" in self._programs and self._truth("skip_when", values):
            return Verdict(is_skipped=True, skip_reason=self._policy.skip_reason)
        violations: list[RawViolation] = []
        total = 0
        for number, rule in enumerate(self._policy.rules):
            for violation in self._broken(f"rules[{number}]", rule, values):
                total += 1
                if total <= VIOLATIONS_MAX:
                    violations.append(violation)
        return Verdict(violations=tuple(violations), total=total)

    def _broken(self, name: str, rule: Rule, values: "_Values") -> list[RawViolation]:
        if rule.each is None:
            values.put(None, None)
            found = [self._violation(name, rule, values, None)]
            return [one for one in found if one is not None]
        base = _PLAIN_PATH.fullmatch(rule.each)
        elements = self._value(f"{name}.each", values)
        if not isinstance(elements, list):
            raise self._failed(f"{name}.each", "it does not give a list")
        broken = []
        for index, item in enumerate(elements):
            values.put(item, index)
            path = None if base is None else [*base[1].split(".")[1:], str(index)]
            violation = self._violation(name, rule, values, path)
            if violation is not None:
                broken.append(violation)
        return broken

    def _violation(
        self, name: str, rule: Rule, values: "_Values", path: list[str] | None
    ) -> RawViolation | None:
        if rule.when is not None and not self._truth(f"{name}.when", values):
            return None
        if self._truth(f"{name}.check", values):
            return None
        message = rule.message or f"{rule.check} is not true"
        if rule.message_expression is not None:
            message = self._text(f"{name}.message_expression", values)
        pointer = pointer_of(path)
        if rule.path is not None:
            pointer = pointer_of(self._value(f"{name}.path", values))
        severity: Severity | None = rule.severity
        return RawViolation(message=shortened(message), severity=severity, path=pointer)

    def _truth(self, name: str, values: "_Values") -> bool:
        value = self._value(name, values)
        if not isinstance(value, bool):
            raise self._failed(name, "it gives neither true nor false")
        return value

    def _text(self, name: str, values: "_Values") -> str:
        value = self._value(name, values)
        if not isinstance(value, str):
            raise self._failed(name, "it does not give a text")
        return value

    def _value(self, name: str, values: "_Values") -> Any:
        try:
            return self._programs[name].execute(values.context)
        except Exception as error:
            raise self._failed(name, _reason(error)) from error

    def _failed(self, name: str, message: str) -> PolicyFailed:
        text = self._texts[name]
        named = _NAMED.search(message)
        found = re.search(rf"\b{re.escape(named[1])}\b", text) if named else None
        return _failed(name, message, position_at(text, found.start() if found else 0))


def judge(policy: PolicyDocument, seen: Seen) -> Verdict:
    """What a policy says of what it sees."""
    try:
        return CelPolicy(policy).evaluate(seen)
    except PolicyFailed as failed:
        return Verdict(error=failed.error)


def check(policy: PolicyDocument) -> PolicyError | None:
    """What is wrong with the expressions of a policy, or None."""
    try:
        CelPolicy(policy)
    except PolicyFailed as failed:
        return failed.error
    return None


class _Values:
    """What expressions can name. The document is converted once, elements one by one."""

    def __init__(self, seen: Seen) -> None:
        self.context = cel.Context()
        stdlib.add_stdlib_to_context(self.context)
        self.context.add_variable("input", _whole(seen.document))
        self.context.add_variable("args", _whole(seen.args))
        self.context.add_variable("evidence", _whole(seen.evidence))
        # A resolver that gives None is passed over: these are what is meant by it.
        self.context.add_variable("item", None)
        self.context.add_variable("index", None)
        self._element: dict[str, Any] = {}
        # To add a variable to a context copies all of it.
        self.context.set_variable_resolver(self._element.get)

    def put(self, item: Any, index: int | None) -> None:
        """From now on these are `item` and `index`."""
        self._element.update(item=item, index=index)


def _compile(name: str, text: str) -> cel.Program:
    try:
        return cel.compile(text)
    except Exception as error:
        found = _PLACED.search(str(error).removeprefix(f"Failed to parse expression '{text}': "))
        if found is None:
            raise _failed(name, "it is not CEL", Position(1, 1)) from error
        at = Position(int(found[1]), int(found[2]))
        raise _failed(name, found[3].removeprefix("Syntax error: "), at) from error


def _whole(value: Any) -> Any:
    """The value, without numbers that the engine has no place for."""
    match value:
        case Mapping():
            return {str(key): _whole(one) for key, one in value.items()}
        case list() | tuple():
            return [_whole(one) for one in value]
        case int() if value not in _INTEGERS:
            return float(value)
        case _:
            return value


def _reason(error: Exception) -> str:
    """What an engine's error says, without the advice that it ends with."""
    if isinstance(error, KeyError):
        return f"there is no {error}"
    text = str(error).split("\n", 1)[0] or type(error).__name__
    ends = [at for hint in _HINTS if (at := text.find(hint)) > 0]
    return text[: min(ends, default=None)].rstrip(". ")


def _failed(name: str, message: str, position: Position) -> PolicyFailed:
    return PolicyFailed(
        PolicyError(
            message=shortened(message), line=position.line, column=position.column, rule=name
        )
    )
