"""Keeping an attempt's secrets out of its log and its failure.

Handlers quote what they were sent, and a server that refuses a key may send the key.
"""

from collections.abc import Iterable
from typing import Final

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
        document = msgspec.json.encode(failure).decode()
        for line in self._lines:
            document = document.replace(msgspec.json.encode(line).decode()[1:-1], _MASK)
        return msgspec.json.decode(document, type=Failure)
