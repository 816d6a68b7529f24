"""The gate for calls that leave this installation (decision 0004).

Where a caller's words decide where to call, every connection is made by way of a Gate: it looks a
name up once, refuses what is not the public internet unless it is allowed, and connects to the very
address that it has checked.
"""

from outlast.outbound.gate import Destination, Gate, gate_of
from outlast.outbound.proxy import ForwardProxy, open_proxy
from outlast.outbound.transports import AsyncGatedTransport, GatedTransport

__all__ = [
    "AsyncGatedTransport",
    "Destination",
    "ForwardProxy",
    "Gate",
    "GatedTransport",
    "gate_of",
    "open_proxy",
]
