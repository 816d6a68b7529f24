"""Users for sandboxed children: numbers that nobody else has, one for each child at a time."""

import contextlib
import errno
import random
import socket
from typing import Final

from outlast.operations.errors import Unavailable

DEFAULT_USERS: Final = range(60_600, 61_100)
"""Free on common systems: service managers hand out 60001-60577 and 61184-65519."""


class User:
    """A user number, held until `release`, and as long as a guard holds its descriptor."""

    def __init__(self, number: int, holder: socket.socket) -> None:
        self.number = number
        self._holder = holder

    @property
    def descriptor(self) -> int:
        """To be kept open by whoever must see the child end."""
        return self._holder.fileno()

    def release(self) -> None:
        """Others may have the number now."""
        self._holder.close()


class UserRange:
    """The numbers that children of this machine's workers may have."""

    def __init__(self, numbers: range | None = None) -> None:
        self._numbers = numbers or DEFAULT_USERS

    def take(self) -> User:
        """A number that no other process of this machine has taken. Raises Unavailable."""
        start = random.randrange(len(self._numbers))  # noqa: S311  only spreads them
        for step in range(len(self._numbers)):
            number = self._numbers[(start + step) % len(self._numbers)]
            holder = _hold(f"\0outlast-user-{number}")
            if holder is not None:
                return User(number, holder)
        raise Unavailable(f"all {len(self._numbers)} users for sandboxed children are taken")


def _hold(name: str) -> socket.socket | None:
    # A name in the kernel's own list of sockets: it goes when the last process that has it goes.
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with contextlib.ExitStack() as stack:
        stack.callback(holder.close)
        try:
            holder.bind(name)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return None
            raise
        stack.pop_all()
    return holder
