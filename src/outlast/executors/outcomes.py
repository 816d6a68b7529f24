"""How a handler's end becomes an outcome. The same for every executor."""

import traceback
from typing import Any, Final

import msgspec

from outlast.executors.port import Failed, Finished, PlainWrite
from outlast.operations import documents
from outlast.operations.errors import Fatal, OutlastError, Retry
from outlast.operations.failure import Failure, platform_failure
from outlast.operations.kind import CatalogWrite, Finish, Kind
from outlast.settings import Limits

_TRACEBACK_CHARACTERS_MAX: Final = 8_000
_MESSAGE_CHARACTERS_MAX: Final = 4_000
_FAILURE_BYTES_MAX: Final = 1 << 16


class Handling:
    """A kind with its decoders made once: they cost more than what they decode."""

    __slots__ = ("_limits", "_plan", "_result", "kind")

    def __init__(self, kind: Kind, limits: Limits) -> None:
        self.kind = kind
        self._limits = limits
        self._plan = msgspec.json.Decoder(kind.plan_type)
        self._result = msgspec.json.Decoder(kind.result)

    def decode_plan(self, plan: bytes) -> Any:
        """The handler's first argument. Raises msgspec.ValidationError."""
        return self._plan.decode(plan)

    def outcome_of_value(self, value: Any) -> Finished | Failed:
        """Finished, if the value fits the kind's result type and can be stored; else Failed."""
        finish = value if isinstance(value, Finish) else Finish(result=value)
        try:
            result = documents.encode(finish.result)
            documents.check(result, self._limits.result_bytes, "the result")
            self._result.decode(result)
            writes = [encode_write(write) for write in finish.writes]
        except (OutlastError, msgspec.ValidationError) as error:
            return Failed(failure=result_invalid(f"the result does not fit the kind: {error}"))
        return Finished(result=result, writes=writes)


def encode_write(write: Any) -> bytes:
    """One write of a Finish as JSON. Raises Invalid for what is none."""
    return documents.encode(PlainWrite(write=write) if isinstance(write, CatalogWrite) else write)


def result_invalid(message: str) -> Failure:
    """The handler gave what its kind does not allow. To run it again would not help."""
    return Failure(code="result_invalid", message=message, fault="platform")


def outcome_of_error(error: BaseException) -> Failed:
    """What an exception that left the handler says."""
    match error:
        case Retry():
            failure = Failure(
                code=plain_text(error.code),
                message=plain_text(error.message),
                fault="platform",
                retryable=True,
                retry_after_seconds=error.after_seconds,
            )
            return Failed(failure=failure, after_seconds=error.after_seconds)
        case Fatal():
            return Failed(failure=storable(_fatal(error)))
        case MemoryError():
            return Failed(failure=out_of_memory("the handler ran out of memory (MemoryError)"))
        case _:
            return Failed(failure=handler_error(error))


def is_verdict(error: BaseException) -> bool:
    """Whether the handler said itself how it ended, which stands even after a cancel."""
    return isinstance(error, Retry | Fatal)


def out_of_memory(message: str) -> Failure:
    """The attempt needed more memory than it may have."""
    return platform_failure("out_of_memory", message)


def handler_error(error: BaseException) -> Failure:
    """An exception that a handler did not mean to raise, with the end of its traceback."""
    return platform_failure(
        "handler_error", describe(error), type=type(error).__qualname__, traceback=trace(error)
    )


def describe(error: BaseException) -> str:
    """One line: the exception's type and message."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  a foreign __str__ may do anything
        text = "(its message cannot be read)"
    return plain_text(f"{type(error).__qualname__}: {text}")


def trace(error: BaseException) -> str:
    """The end of an exception's traceback, bounded."""
    return storable_text("".join(traceback.format_exception(error)))[-_TRACEBACK_CHARACTERS_MAX:]


def plain_text(text: str) -> str:
    """A message as it can be stored and shown, bounded."""
    return storable_text(text)[:_MESSAGE_CHARACTERS_MAX]


def storable_text(text: str) -> str:
    """The text without what no store can keep: NUL, and halves of characters."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def storable(failure: Failure) -> Failure:
    """The failure itself if it can be stored, else what can be stored of it."""
    try:
        documents.check(documents.encode(failure), _FAILURE_BYTES_MAX, "the failure")
    except OutlastError as error:
        return Failure(
            code=plain_text(failure.code),
            message=plain_text(failure.message),
            fault=failure.fault,
            retryable=failure.retryable,
            details={"left_out": error.message},
        )
    return failure


def _fatal(error: Fatal) -> Failure:
    details: Any
    try:
        details = documents.decode(documents.encode(error.details))
    except OutlastError:
        details = {"unreadable": plain_text(repr(error.details))}
    return Failure(
        code=error.code,
        message=error.message,
        fault="user",
        field_errors=error.field_errors,
        details=details,
    )
