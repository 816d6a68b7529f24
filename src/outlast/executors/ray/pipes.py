"""The worker's way to a node, whatever carries it."""

from typing import Protocol

from outlast.operations.kind import Resources


class Lost(Exception):
    """The node, the host on it, or the way to it is gone. The message says what is known."""


class Pipe(Protocol):
    """Carries bytes to and from the host of one attempt. It waits until there is a node for it."""

    async def read(self) -> bytes:
        """The next bytes, at least one. Raises Lost."""

    async def write(self, data: bytes) -> None:
        """Send bytes; wait while the other side is slow. One call at a time. Raises Lost."""

    async def close(self) -> None:
        """End the host, as soon as it hears of it, and give its place back. May be repeated."""


class Nodes(Protocol):
    """Where attempts find a place."""

    async def open(self) -> None:
        """Get ready. Raises Unavailable."""

    def place(self, resources: Resources) -> Pipe:
        """Ask for a place with these resources, and a host there."""

    async def close(self) -> None:
        """Let go of everything."""
