"""How a policy is written: one document, in TOML or JSON. Pure.

In Rego, `source` is one module whose rule `result` is an object {skipped, skip_reason, violations,
error}, all of them optional; a violation is a text, or an object {message, severity, path}. In CEL
there are `rules`, each an expression that must be true. Both see `input`, the evidence as a
document; `args`, what the policy lets its users choose; and `evidence`, what is known of it (in
Rego as `input.args` and `input.evidence`).

`tests` belong to the policy: each is a document, and what must come of it.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from outlast.operations import documents
from outlast.operations.errors import Invalid, InvalidSpec, TooLarge

DOCUMENT_BYTES_MAX: Final = 256 * 1024
SOURCE_CHARS_MAX: Final = 64 * 1024
EXPRESSION_CHARS_MAX: Final = 4096
TEXT_CHARS_MAX: Final = 4096
RULES_MAX: Final = 100
TESTS_MAX: Final = 100
TYPES_MAX: Final = 32
ARGS_BYTES_MAX: Final = 32 * 1024
NAME_FORM: Final = "a policy's name has 1 to 63 of a-z 0-9 . _ - and begins with a letter or digit"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_TYPE: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")

Language = Literal["rego", "cel"]
Severity = Literal["info", "low", "medium", "high", "critical"]
Status = Literal["passed", "failed", "skipped", "error"]
SEVERITIES: Final[Sequence[Severity]] = ("critical", "high", "medium", "low", "info")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule in CEL: `check` must be true, or there is a violation that says the message.

    With `each`, an expression for a list, it is about each of its elements: `item`, at `index`. Of
    an element for which `when` is not true it says nothing. `message_expression` makes a text;
    `path` a JSON pointer to what is meant, or a list of keys. Where `each` is a plain path such as
    `input.components`, a path is made of it.
    """

    check: str
    message: str = ""
    message_expression: str | None = None
    each: str | None = None
    when: str | None = None
    path: str | None = None
    severity: Severity | None = None


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must come of a test: `messages` are parts of the messages of violations."""

    status: Status
    violations: int | None = None
    messages: tuple[str, ...] = ()


class PolicyTest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document, or the text of evidence, and what must come of it.

    What is known of it is found as for evidence, with `evidence` laid over it.
    """

    input: Any
    expect: Status | Expected
    name: str = ""
    args: Mapping[str, Any] = {}
    evidence: Mapping[str, Any] = {}

    @property
    def expected(self) -> Expected:
        """What must come of it."""
        return Expected(status=self.expect) if isinstance(self.expect, str) else self.expect


class PolicyDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy as it is written. `applies_to` are types of evidence; empty: all of them.

    `severity` is that of violations that have none of their own. `args` are the defaults of what
    an evaluation may choose; there are no others. `version` stands in built-in ones alone: others
    are counted. Evidence for which `skip_when` (CEL) is true is skipped, for the `skip_reason`.
    """

    name: str
    language: Language
    description: str = ""
    version: int | None = None
    applies_to: tuple[str, ...] = ()
    severity: Severity = "medium"
    args: Mapping[str, Any] = {}
    source: str | None = None
    rules: tuple[Rule, ...] = ()
    skip_when: str | None = None
    skip_reason: str = ""
    tests: tuple[PolicyTest, ...] = ()


def read_policy(content: bytes, *, is_toml: bool) -> PolicyDocument:
    """A policy's file. Raises Invalid, saying the line and column where the text is malformed."""
    if len(content) > DOCUMENT_BYTES_MAX:
        raise TooLarge(f"a policy has at most {DOCUMENT_BYTES_MAX} bytes, not {len(content)}")
    try:
        if is_toml:
            return msgspec.convert(tomllib.loads(content.decode()), PolicyDocument)
        return msgspec.json.decode(content, type=PolicyDocument)
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"the policy cannot be read: {error}") from error
    except RecursionError as error:
        raise Invalid("the policy cannot be read: it is nested too deeply") from error


def check_policy(policy: PolicyDocument) -> None:
    """Raise InvalidSpec for a document that is no policy, whatever its texts say."""
    if not _NAME.fullmatch(policy.name):
        raise _invalid("name", NAME_FORM)
    documents.check(documents.encode(policy), DOCUMENT_BYTES_MAX, "the policy")
    _check_args(policy.args)
    if len(policy.applies_to) > TYPES_MAX or not all(map(_TYPE.fullmatch, policy.applies_to)):
        raise _invalid("applies_to", f"at most {TYPES_MAX} types of evidence such as cyclonedx")
    _check_texts(policy)
    if policy.language == "rego":
        _check_rego(policy)
    else:
        _check_cel(policy)
    if len(policy.tests) > TESTS_MAX:
        raise _invalid("tests", f"a policy has at most {TESTS_MAX} tests")
    for number, test in enumerate(policy.tests):
        check_choice(policy, test.args, f"tests[{number}].args")


def check_choice(policy: PolicyDocument, args: Mapping[str, Any], field: str) -> None:
    """Raise InvalidSpec for a choice that the policy does not offer, or of another type."""
    for name, value in args.items():
        if name not in policy.args:
            offered = ", ".join(sorted(policy.args)) or "none"
            raise _invalid(field, f"{policy.name} has no argument {name[:80]!r}; it has {offered}")
        if not _fits(value, policy.args[name]):
            wanted = _type_name(policy.args[name])
            raise _invalid(field, f"the argument {name!r} of {policy.name} must be {wanted}")


def arguments_of(policy: PolicyDocument, args: Mapping[str, Any]) -> dict[str, Any]:
    """The policy's defaults with a choice laid over them."""
    return {**policy.args, **args}


def _check_args(args: Mapping[str, Any]) -> None:
    size = len(documents.encode(args))
    if size > ARGS_BYTES_MAX:
        raise _invalid("args", f"have {size} bytes; at most {ARGS_BYTES_MAX} are allowed")


def _check_texts(policy: PolicyDocument) -> None:
    texts = {"description": policy.description, "skip_reason": policy.skip_reason}
    for number, rule in enumerate(policy.rules):
        texts[f"rules[{number}].message"] = rule.message
    for number, test in enumerate(policy.tests):
        texts[f"tests[{number}].name"] = test.name
    for name, text in texts.items():
        if len(text) > TEXT_CHARS_MAX:
            raise _invalid(name, f"has more than {TEXT_CHARS_MAX} characters")


def _check_rego(policy: PolicyDocument) -> None:
    if not policy.source or len(policy.source) > SOURCE_CHARS_MAX:
        raise _invalid("source", f"a policy in Rego has 1 to {SOURCE_CHARS_MAX} characters")
    if policy.rules or policy.skip_when is not None:
        raise _invalid("rules", "a policy in Rego has a source alone: rules are for CEL")


def _check_cel(policy: PolicyDocument) -> None:
    if policy.source is not None:
        raise _invalid("source", "a policy in CEL has rules and no source")
    if not 1 <= len(policy.rules) <= RULES_MAX:
        raise _invalid("rules", f"a policy in CEL has 1 to {RULES_MAX} rules")
    for name, text in expressions(policy):
        if len(text) > EXPRESSION_CHARS_MAX:
            raise _invalid(name, f"has more than {EXPRESSION_CHARS_MAX} characters")


def expressions(policy: PolicyDocument) -> list[tuple[str, str]]:
    """Every expression of a policy in CEL, and what it is called in it."""
    found = [("skip_when", policy.skip_when)]
    for number, rule in enumerate(policy.rules):
        named = ("each", "when", "check", "message_expression", "path")
        found += [(f"rules[{number}].{name}", getattr(rule, name)) for name in named]
    return [(name, text) for name, text in found if text is not None]


def _fits(value: object, default: object) -> bool:
    if default is None or value is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float)
    return _type_name(value) == _type_name(default)


def _type_name(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "an object"
        case _:
            return "a list"


def _invalid(field: str, message: str) -> InvalidSpec:
    return InvalidSpec(f"{field}: {message}", field_errors={field: message})
