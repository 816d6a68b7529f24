"""Telling a node when a lease was renewed, by the node's own clock."""

from typing import Final

_DRIFT: Final = 1 / 1000
"""No two clocks differ more than this in how fast they go."""


class NodeClock:
    """What this process can be sure of about a node's clock: it is not behind what it says.

    A message that the node dates takes its time to get here; it is treated as if it took none. So
    a renewal counts from a little before it was sent, never from later, however long it is on its
    way.
    """

    def __init__(self) -> None:
        self._ahead: float | None = None
        self._heard_at = 0.0

    def hear(self, now: float, heard_at: float) -> None:
        """The node said `now` before `heard_at`, a time of this process."""
        ahead = now - heard_at
        if self._ahead is not None:
            # What came fast once is a better bound than what came late now; but it ages.
            ahead = max(ahead, self._ahead - (heard_at - self._heard_at) * _DRIFT)
        self._ahead, self._heard_at = ahead, heard_at

    def there(self, at: float) -> float:
        """A time of this process as a time of the node that is not later. Only after `hear`."""
        if self._ahead is None:
            raise RuntimeError("nothing was heard of the node's clock yet")
        return at + self._ahead
