"""Landlock: a thread takes away its own sight of files, for good. Linux 5.13 and newer.

The kernel's rules only ever grant beneath a file or folder, and everything not granted is refused.
They follow the file: a folder keeps its rule when it is renamed.
"""

import ctypes
import os
import stat
from pathlib import Path
from typing import Final

from outlast.executors import linux

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_VERSION: Final = 1
_PATH_BENEATH: Final = 1

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_MAKE_CHAR: Final = 1 << 6
_MAKE_SOCK: Final = 1 << 9
_MAKE_BLOCK: Final = 1 << 11
_TRUNCATE: Final = 1 << 14
_IOCTL_DEV: Final = 1 << 15

_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}
_FILE_RIGHTS_NEWEST: Final = 16
_TCP_BIND_AND_CONNECT: Final = 0b11
_TCP_SINCE: Final = 4
_SCOPES_SINCE: Final = 6
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11

READ: Final = _READ_FILE | _READ_DIR
LIST: Final = _READ_DIR
READ_AND_WRITE: Final = ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK | _MAKE_SOCK | _IOCTL_DEV)
_OF_A_FILE: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def version() -> int:
    """The version of Landlock that this kernel has; 0 for none."""
    if not linux.SUPPORTED:
        return 0
    try:
        return linux.system_call(_CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


class Ruleset:
    """What a thread may still do with files after `enforce`. By default, nothing.

    `outward`: also refuse TCP, and signals and abstract sockets to processes outside, as far as
    this kernel can.
    """

    def __init__(self, *, outward: bool) -> None:
        known = version()
        rights = _FILE_RIGHTS.get(known, _FILE_RIGHTS_NEWEST)
        self._handled = (1 << rights) - 1
        attributes = _RulesetAttributes(self._handled, 0, 0)
        if outward and known >= _TCP_SINCE:
            attributes.handled_access_net = _TCP_BIND_AND_CONNECT
        if outward and known >= _SCOPES_SINCE:
            attributes.scoped = _ABSTRACT_SOCKETS_AND_SIGNALS
        size = ctypes.sizeof(attributes) if known >= _SCOPES_SINCE else 16
        size = size if known >= _TCP_SINCE else 8
        self._number = linux.system_call(_CREATE_RULESET, ctypes.byref(attributes), size, 0)

    def allow(self, path: Path, rights: int) -> None:
        """Grant rights to a file, or to all beneath a folder. What does not exist is skipped."""
        try:
            number = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            if not stat.S_ISDIR(os.fstat(number).st_mode):
                rights &= _OF_A_FILE
            rule = _PathBeneath(rights & self._handled, number)
            linux.system_call(_ADD_RULE, self._number, _PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(number)

    def enforce(self) -> None:
        """Restrict this thread and all that it starts. Needs "no new privileges" to be set."""
        linux.system_call(_RESTRICT_SELF, self._number, 0)
        os.close(self._number)
