"""Makes Arrow and DuckDB fit into a small address space. To be imported before either of them.

The limit of a child counts what is reserved, not what is used: Arrow's own allocator reserves a
gigabyte at its first use, and glibc 64 MiB for every thread.
"""

import ctypes
import os
from typing import Final

_M_ARENA_MAX: Final = -8

os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
_libc = ctypes.CDLL(None)
if hasattr(_libc, "mallopt"):
    _libc.mallopt(_M_ARENA_MAX, 2)
