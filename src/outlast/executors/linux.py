"""The few kernel calls that the standard library does not have. Each raises OSError."""

import ctypes
import os
import re
import sys
from pathlib import Path
from typing import Any, Final

SUPPORTED: Final = sys.platform == "linux"

PR_SET_PDEATHSIG: Final = 1
PR_SET_SECCOMP: Final = 22
PR_CAPBSET_DROP: Final = 24
PR_SET_CHILD_SUBREAPER: Final = 36
PR_GET_CHILD_SUBREAPER: Final = 37
PR_SET_NO_NEW_PRIVS: Final = 38
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWNET: Final = 0x40000000

# CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID
_USER_CAPABILITIES: Final = (0, 1, 3, 5, 6, 7)

_libc: Final = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *arguments: Any) -> None:
    """Change a property of this thread or process."""
    values = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    values += [ctypes.c_ulong(0)] * (4 - len(values))
    _checked(_libc.prctl(ctypes.c_int(option), *values), "prctl")


def system_call(number: int, *arguments: Any) -> int:
    """A call that the C library has no name for."""
    values = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *values), f"system call {number}")


def is_subreaper() -> bool:
    """Whether orphans among this process's descendants come to it."""
    if not SUPPORTED:
        return False
    answer = ctypes.c_int(0)
    prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(answer))
    return bool(answer.value)


def unshare(flags: int) -> None:
    """Move this process, which must have one thread, into namespaces of its own."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def drop_capabilities() -> None:
    """Give up every capability of this thread, for good."""
    last = 63
    for capability in range(last + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break  # past the last one that this kernel knows, or no right to: they go below
    version_3 = 0x20080522
    header = (ctypes.c_uint32 * 2)(version_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_libc.capset(header, nothing), "capset")


def may_change_user() -> bool:
    """Whether this process may give files to other users, become one, and end its processes."""
    if not SUPPORTED or os.geteuid() != 0:
        return False
    status = Path("/proc/self/status").read_text()
    effective = int(re.findall(r"CapEff:\s*([0-9a-f]+)", status)[0], 16)
    return all(effective >> capability & 1 for capability in _USER_CAPABILITIES)


def _checked(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
