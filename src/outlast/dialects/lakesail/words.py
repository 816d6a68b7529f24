"""Words of the wire. None of its enums is published: each is our reading (docs/dialects)."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from outlast.operations.failure import Failure
from outlast.operations.states import State


class Status(StrEnum):
    """What an operation's status can be."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


STATUSES: Final[Mapping[State, Status]] = MappingProxyType(
    {state: Status(state.value) for state in State}
)
FINAL_STATUSES: Final = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})


class ErrorType(StrEnum):
    """What an error's type can be: who or what is to be looked at."""

    VALIDATION = "validation"
    AUTHENTICATION = "authentication"
    AUTHORIZATION = "authorization"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    RATE_LIMIT = "rate_limit"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    PROVIDER = "provider"
    UNSUPPORTED = "unsupported"
    INTERNAL = "internal"


_BY_STATUS: Final[Mapping[int, ErrorType]] = MappingProxyType(
    {
        401: ErrorType.AUTHENTICATION,
        403: ErrorType.AUTHORIZATION,
        404: ErrorType.NOT_FOUND,
        408: ErrorType.TIMEOUT,
        409: ErrorType.CONFLICT,
        429: ErrorType.RATE_LIMIT,
        501: ErrorType.UNSUPPORTED,
        502: ErrorType.PROVIDER,
        504: ErrorType.TIMEOUT,
    }
)
_SERVER_ERROR: Final = 500
_BY_CODE: Final[Mapping[str, ErrorType]] = MappingProxyType(
    {
        "cancelled": ErrorType.CANCELLED,
        "conflict": ErrorType.CONFLICT,
        "deadline_exceeded": ErrorType.TIMEOUT,
        "not_found": ErrorType.NOT_FOUND,
        "resource_exists": ErrorType.CONFLICT,
        "resource_in_use": ErrorType.CONFLICT,
        "revision_mismatch": ErrorType.CONFLICT,
        "timed_out": ErrorType.TIMEOUT,
    }
    | dict.fromkeys(
        ("access_refused", "apply_failed", "missing", "program_crashed", "unexpected_answer"),
        ErrorType.PROVIDER,
    )
    | dict.fromkeys(
        (
            "attempts_exhausted",
            "crashed",
            "handler_error",
            "internal_error",
            "lease_expired",
            "lost_while_cancelling",
            "node_lost",
            "out_of_memory",
            "program_missing",
            "result_invalid",
            "secret_missing",
            "state_missing",
            "state_unreadable",
            "store_full",
            "unavailable",
            "unknown_kind",
            "worker_error",
        ),
        ErrorType.INTERNAL,
    )
)
"""Failures that say more than whose fault they are."""


def refusal_error_type(status: int) -> ErrorType:
    """The type of the error that a request was refused with."""
    default = ErrorType.INTERNAL if status >= _SERVER_ERROR else ErrorType.VALIDATION
    return _BY_STATUS.get(status, default)


def failure_error_type(failure: Failure) -> ErrorType:
    """The type of the error that an operation failed with."""
    default = ErrorType.VALIDATION if failure.fault == "user" else ErrorType.PROVIDER
    return _BY_CODE.get(failure.code, default)


_PROVISIONED: Final = frozenset({"network", "cluster"})


def operation_word(kind: str, resource_type: str | None, *, is_first: bool) -> str:
    """What an operation of a kind does, as verb and noun; kinds without a noun by their name.

    `is_first`: what it works on is made by it.
    """
    thing = resource_type or "stack"
    match kind:
        case "deploy" if thing in _PROVISIONED:
            return f"{'provision' if is_first else 'update'}-{thing}"
        case "deploy":
            return "deploy-stack"
        case "destroy":
            return f"{'delete' if thing in _PROVISIONED else 'destroy'}-{thing}"
    return kind.replace("_", "-")


def kind_of_word(word: str) -> str:
    """The kind of operation that a word is used for."""
    verb, _, thing = word.partition("-")
    if thing in _PROVISIONED | {"stack"}:
        if verb in {"provision", "update", "deploy"}:
            return "deploy"
        if verb in {"delete", "destroy"}:
            return "destroy"
    return word.replace("-", "_")
