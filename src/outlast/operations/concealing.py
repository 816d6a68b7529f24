"""Keeping an attempt's secrets out of its log and its failure.

Handlers quote what they were sent, and a server that refuses a key may send the key.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from outlast.operations.failure import Failure

_CHARS_MIN: Final = 6
_MASK: Final = "[secret]"


class Concealer:
    """Puts a mask where a secret stands. One of few characters stays: it is in any text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The log comes line by line, and a longer secret may contain a shorter one.
        lines = {line for secret in secrets for line in secret.splitlines()}
        self._lines = sorted((one for one in lines if len(one) >= _CHARS_MIN), key=len)[::-1]

    def text(self, text: str) -> str:
        """The text without the secrets."""
        for line in self._lines:
            text = text.replace(line, _MASK)
        return text

    def failure(self, failure: Failure) -> Failure:
        """The failure without the secrets."""
        if not self._lines:
            return failure
        return msgspec.structs.replace(
            failure,
            message=self.text(failure.message),
            field_errors=self._value(failure.field_errors),
            details=self._value(failure.details),
            cause=None if failure.cause is None else self.failure(failure.cause),
        )

    def _value(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case list():
                return [self._value(one) for one in value]
            case Mapping():
                return {self.text(key): self._value(one) for key, one in value.items()}
            case _:
                return value
