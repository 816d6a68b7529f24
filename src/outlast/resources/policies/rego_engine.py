"""Evaluates policies in Rego. For a process that may be killed: it takes as long as it takes.

Its messages have no places, so those come from the plan that the policy is compiled to: each
statement knows its row and column. Which statement an evaluation failed at is found by having it
once more, with a trace.
"""

import ctypes
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from regopy import LogLevel, RegoError
from regopy import rego_shared as rego

from outlast.resources.policies.rego_plans import Plan
from outlast.resources.policies.rego_values import read_value
from outlast.resources.policies.verdicts import (
    VIOLATIONS_MAX,
    PolicyError,
    PolicyFailed,
    Position,
    RawViolation,
    Seen,
    Verdict,
    position_at,
    raw_violation,
    shortened,
)

REFUSED: Final = frozenset(
    {
        *("opa.runtime", "rand.intn", "time.now_ns", "uuid.rfc4122"),
        *("io.jwt.decode_verify", "io.jwt.encode_sign", "io.jwt.encode_sign_raw"),
    }
)
"""What sees the machine, or does not answer the same every time."""

Document: TypeAlias = ctypes.c_void_p
"""What a policy sees as `input`, as the engine has it."""

_FILE: Final = "policy.rego"
_RULE: Final = "result"
_NO_RESULT: Final = "the rule result has no value for this evidence"
_FAILED: Final = "the policy failed"
# With a trace it would take many times as long, to tell of the engine's own limit most likely.
_EXPLAINED_SECONDS_MAX: Final = 1.0
_TOO_LONG: Final = "the policy failed, or has more than the ten million steps that its engine takes"
_TRACE_BYTES_KEPT: Final = 64 * 1024
_INTEGER_MAX: Final = 2**63 - 1
_PACKAGE: Final = re.compile(
    r"^[ \t]*package[ \t]+([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)[ \t]*(?:#.*)?\r?$", re.MULTILINE
)
_ERROR: Final = re.compile(
    rf"\(error \d+:{re.escape(_FILE)}\|(\d+)\|\d+\s*\(errormsg (\d+):", re.ASCII
)
_MESSAGE: Final = re.compile(r"\(errormsg (\d+):", re.ASCII)
# These can fail. After one that did, others are still traced.
_TRACED: Final = re.compile(r"^ *\d+ +(CallStmt|AssignVarOnceStmt)\((.*)\) *$", re.MULTILINE)


class RegoPolicy:
    """A compiled policy. Raises PolicyFailed for a source that is none."""

    def __init__(self, source: str, *, is_strict: bool = False) -> None:
        found = _PACKAGE.search(source)
        if found is None:
            raise _failed("there is no package: the source begins with `package NAME`", (1, 1))
        self._entry = f"{found[1].replace('.', '/')}/{_RULE}"
        self._package = position_at(source, found.start())
        # The wrapper's own classes drop what an evaluation failed with.
        self._engine = rego.rego_new()
        rego.rego_set_log_level(self._engine, LogLevel.NONE)
        rego.rego_set_strict_builtin_errors(self._engine, is_strict)
        try:
            rego.rego_add_module(self._engine, _FILE, source)
            rego.rego_add_entrypoint(self._engine, self._entry)
            self._bundle = rego.rego_build(self._engine)
        except RegoError as error:
            raise PolicyFailed(_compile_error(str(error), source)) from error
        self._plan = self._read_plan()
        self.position = self._check(found[1])

    def _read_plan(self) -> Plan:
        with tempfile.TemporaryDirectory() as folder:
            try:
                rego.rego_bundle_save(self._engine, folder, self._bundle)
            except RegoError as error:
                raise _failed("the policy cannot be compiled", self._package) from error
            return Plan(json.loads(Path(folder, "plan.json").read_bytes()))

    def _check(self, package: str) -> Position:
        """Where the rule is. Raises PolicyFailed where it is not, or calls what is not there."""
        for name, position in self._plan.calls():
            at = position or self._package
            if name in REFUSED:
                raise _failed(f"{name} is not for policies: it may answer otherwise each time", at)
            # Some that the engine knows by name it does not have: they would have no value.
            if not (
                name in self._plan.functions or rego.rego_is_available_builtin(self._engine, name)
            ):
                raise _failed(f"there is no function {name}", at)
        rule = self._plan.functions.get(f"g0.data.{package}.{_RULE}")
        if rule is None:
            raise _failed(f"the package {package} has no rule {_RULE}", self._package)
        return self._plan.position_of(rule) or self._package

    def trace(self) -> None:
        """From now on, print every statement that is evaluated."""
        rego.rego_set_log_level(self._engine, LogLevel.DEBUG)

    def evaluate(self, document: Document) -> Any:
        """The value of the rule. Raises PolicyFailed; NoResult where it has none."""
        rego.rego_set_input(self._engine, document)
        output = rego.rego_bundle_query_entrypoint(self._engine, self._bundle, self._entry)
        text, is_ok = rego.rego_output_string(output), rego.rego_output_ok(output)
        if not is_ok or text == "undefined":
            raise NoResult(is_error=not is_ok)
        if text.startswith("(error"):
            raise _failed(_first_message(text), self.position)
        try:
            return json.loads(text)["expressions"][0]
        except (ValueError, RecursionError):
            return self._read(output)

    def _read(self, output: ctypes.c_void_p) -> Any:
        """The value, where the engine's JSON is none."""
        try:
            return read_value(rego.rego_output_expressions_at_index(output, 0))
        except (ValueError, RecursionError) as error:
            raise _failed("what the rule gives cannot be read", self.position) from error

    def where(self, trace: str) -> tuple[str, Position] | None:
        """What failed, and where, of an evaluation whose trace ends so."""
        executed = _TRACED.findall(trace)
        return self._plan.find(*executed[-1]) if executed else None


class NoResult(Exception):
    """The rule has no value; `is_error`: since something failed."""

    def __init__(self, *, is_error: bool) -> None:
        super().__init__()
        self.is_error = is_error


def judge(source: str, seen: Seen, tell: Callable[[Position | Verdict], None]) -> Verdict:
    """What a policy says.

    Before it is evaluated `tell` is told where its rule is, and before it is found out why there is
    no result, that there is none: both may take longer than there is time.
    """
    try:
        policy = RegoPolicy(source)
        tell(policy.position)
        document, at, began = input_of(seen), policy.position, time.process_time()
        try:
            return _verdict(policy.evaluate(document), at)
        except NoResult as missing:
            said = _FAILED if missing.is_error else _NO_RESULT
            if missing.is_error and time.process_time() - began > _EXPLAINED_SECONDS_MAX:
                return Verdict(error=_error(_TOO_LONG, at, is_certain=False))
            tell(Verdict(error=_error(said, at, is_certain=False)))
            return Verdict(error=_explain(source, document, at, missing))
    except PolicyFailed as failed:
        return Verdict(error=failed.error)


def check(source: str) -> PolicyError | None:
    """What is wrong with a source, or None."""
    try:
        RegoPolicy(source)
    except PolicyFailed as failed:
        return failed.error
    return None


def input_of(seen: Seen) -> Document:
    """What the policy sees as `input`."""
    document = seen.document
    whole = document if isinstance(document, dict) else {"elements": document}
    seen_as = {**whole, "args": seen.args, "evidence": seen.evidence}
    made: Document = rego.rego_input_from_value(_escaped(seen_as))
    return made


def _escaped(value: Any) -> Any:
    # The engine keeps texts as they stand in JSON, and the wrapper does not see to that.
    match value:
        case str():
            return encode_basestring(value)[1:-1]
        case dict():
            return {_escaped(key): _escaped(one) for key, one in value.items()}
        case list() | tuple():
            return [_escaped(one) for one in value]
        case int() if abs(value) > _INTEGER_MAX:
            return float(value)
        case _:
            return value


def _verdict(value: object, position: Position) -> Verdict:
    if not isinstance(value, dict):
        raise _failed("the rule result is not an object {skipped, violations, ...}", position)
    if value.get("skipped") is True:
        reason = value.get("skip_reason")
        return Verdict(
            is_skipped=True, skip_reason=shortened(reason) if isinstance(reason, str) else ""
        )
    if isinstance(value.get("error"), str):
        raise _failed(value["error"], position)
    found = value.get("violations")
    if not isinstance(found, list):
        raise _failed("the result has no `violations`: a list or a set", position)
    violations: list[RawViolation] = []
    for one in found[:VIOLATIONS_MAX]:
        violation = raw_violation(one)
        if violation is None:
            raise _failed("a violation is a text, or an object with a `message`", position)
        violations.append(violation)
    return Verdict(violations=tuple(violations), total=len(found))


def _explain(source: str, document: Document, at: Position, missing: NoResult) -> PolicyError:
    """Evaluate once more, strictly and with a trace, to tell why there is no result."""
    policy = RegoPolicy(source, is_strict=True)
    policy.trace()
    with _LastPrinted() as printed:
        try:
            policy.evaluate(document)
        except NoResult as strict:
            missing = strict
        except PolicyFailed as failed:
            return failed.error
    if not missing.is_error:
        return _error(_NO_RESULT, at)
    found = policy.where(printed.text)
    return _error(*found) if found else _error(_FAILED, at)


class _LastPrinted:
    """Keeps the end of what the process prints meanwhile."""

    text: str = ""

    def __enter__(self) -> Self:
        read, write = os.pipe()
        self._kept = [os.dup(1), os.dup(2)]
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.close(write)
        self._reader = threading.Thread(target=self._read, args=(read,))
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        for number, kept in enumerate(self._kept, 1):
            os.dup2(kept, number)
            os.close(kept)
        self._reader.join()

    def _read(self, pipe: int) -> None:
        tail = b""
        while chunk := os.read(pipe, _TRACE_BYTES_KEPT):
            tail = (tail + chunk)[-_TRACE_BYTES_KEPT:]
        os.close(pipe)
        self.text = tail.decode(errors="replace")


def _compile_error(text: str, source: str) -> PolicyError:
    found = _ERROR.search(text)
    if found is None:
        return _error(_first_message(text), Position(1, 1))
    message = text[found.end() : found.end() + int(found[2])]
    # Offsets count bytes.
    before = source.encode()[: int(found[1])].decode(errors="ignore")
    return _error(message, position_at(source, len(before)))


def _first_message(text: str) -> str:
    found = _MESSAGE.search(text)
    return text[found.end() : found.end() + int(found[1])] if found else "the policy is not Rego"


def _error(message: str, position: Position, *, is_certain: bool = True) -> PolicyError:
    return PolicyError(
        message=shortened(message),
        line=position.line,
        column=position.column,
        is_certain=is_certain,
    )


def _failed(message: str, position: tuple[int, int]) -> PolicyFailed:
    return PolicyFailed(_error(message, Position(*position)))
