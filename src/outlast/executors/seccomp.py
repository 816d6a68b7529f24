"""A seccomp filter: system calls that no sandboxed child needs are refused, for good.

No socket can be made but a connected pair of stream sockets, and no such pair can be pointed
elsewhere; so this filter alone already keeps a child off every network and away from the sockets
of other programs. It also refuses what has let programs out of sandboxes before.
"""

import ctypes
import platform
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from outlast.executors import linux

_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_REFUSE: Final = 0x00050000
_EPERM: Final = 1
_EACCES: Final = 13
_ENOSYS: Final = 38

_LOAD: Final = 0x20
_AND: Final = 0x54
_IF_EQUAL: Final = 0x15
_IF_AT_LEAST: Final = 0x35
_IF_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06

_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_ARGUMENTS_AT: Final = 16
_X32_CALLS: Final = 0x40000000
_SECCOMP_MODE_FILTER: Final = 2

_AF_UNIX: Final = 1
_SOCK_STREAM: Final = 1
_SOCKET_TYPES: Final = 0xF
_NEW_NAMESPACES: Final = 0x7E020000


class _Machine(NamedTuple):
    """A machine's audit number, and its numbers of the calls by what becomes of them."""

    architecture: int
    network: Sequence[int]
    others: Sequence[int]
    socketpair: int
    clone: int


_MACHINES: Final = {
    "x86_64": _Machine(
        architecture=0xC000003E,
        # socket, connect, accept, bind, listen, accept4
        network=(41, 42, 43, 49, 50, 288),
        others=(
            # ptrace, process_vm_readv, process_vm_writev, bpf, mount, umount2, pivot_root, chroot
            *(101, 310, 311, 321, 165, 166, 155, 161),
            # kexec_load, kexec_file_load, add_key, request_key, keyctl, userfaultfd
            *(246, 320, 248, 249, 250, 323),
            # perf_event_open, init_module, finit_module, delete_module, unshare, setns
            *(298, 175, 313, 176, 272, 308),
            # name_to_handle_at, open_by_handle_at, shmget, shmat, semget, msgget, mq_open, kcmp
            *(303, 304, 29, 30, 64, 68, 240, 312),
            # acct, swapon, swapoff, reboot, quotactl, personality
            *(163, 167, 168, 169, 179, 135),
            # iopl, ioperm, modify_ldt
            *(172, 173, 154),
        ),
        socketpair=53,
        clone=56,
    ),
    "aarch64": _Machine(
        architecture=0xC00000B7,
        network=(198, 203, 202, 200, 201, 242),
        others=(
            *(117, 270, 271, 280, 40, 39, 41, 51),
            *(104, 294, 217, 218, 219, 282),
            *(241, 105, 273, 106, 97, 268),
            *(264, 265, 194, 196, 190, 186, 180, 272),
            *(89, 224, 225, 142, 60, 92),
        ),
        socketpair=199,
        clone=220,
    ),
}
# The same on both: io_uring_setup, io_uring_enter, io_uring_register, open_tree, move_mount,
# fsopen, fsconfig, fsmount, fspick, pidfd_getfd, mount_setattr.
_NEWER_CALLS: Final = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442)
_CLONE3: Final = 435


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def available() -> bool:
    """Whether a filter is written for this machine."""
    return linux.SUPPORTED and platform.machine() in _MACHINES


def enforce() -> None:
    """Put the filter on this thread and all that it starts. Needs "no new privileges"."""
    code = program(platform.machine())
    instructions = ctypes.create_string_buffer(code, len(code))
    loaded = _Program(len(code) // 8, ctypes.cast(instructions, ctypes.c_char_p))
    linux.prctl(linux.PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(loaded))


def program(machine: str) -> bytes:
    """The filter's code for one machine."""
    calls = _MACHINES[machine]
    code = _instruction(_LOAD, _ARCHITECTURE_AT)
    code += _instruction(_IF_EQUAL, calls.architecture, 1, 0) + _instruction(_RETURN, _KILL)
    code += _instruction(_LOAD, _NUMBER_AT)
    code += _instruction(_IF_AT_LEAST, _X32_CALLS, 0, 1) + _refuse(_EPERM)
    for number in calls.network:
        code += _refuse_call(number, _EACCES)
    for number in (*calls.others, *_NEWER_CALLS):
        code += _refuse_call(number, _EPERM)
    # Its flags are behind a pointer; without it the C library uses clone, whose flags can be seen.
    code += _refuse_call(_CLONE3, _ENOSYS)
    namespaces = _argument(0) + _instruction(_IF_ANY_BIT, _NEW_NAMESPACES, 0, 1) + _refuse(_EPERM)
    code += _in_call(calls.clone, namespaces + _instruction(_RETURN, _ALLOW))
    code += _in_call(calls.socketpair, _only_streams())
    return code + _instruction(_RETURN, _ALLOW)


def _only_streams() -> bytes:
    return (
        _argument(0)
        + _instruction(_IF_EQUAL, _AF_UNIX, 1, 0)
        + _refuse(_EACCES)
        + _argument(1)
        + _instruction(_AND, _SOCKET_TYPES)
        + _instruction(_IF_EQUAL, _SOCK_STREAM, 1, 0)
        + _refuse(_EACCES)
        + _instruction(_RETURN, _ALLOW)
    )


def _refuse_call(number: int, error: int) -> bytes:
    return _instruction(_IF_EQUAL, number, 0, 1) + _refuse(error)


def _in_call(number: int, body: bytes) -> bytes:
    return _instruction(_IF_EQUAL, number, 0, len(body) // 8) + body


def _argument(index: int) -> bytes:
    return _instruction(_LOAD, _ARGUMENTS_AT + 8 * index)


def _refuse(error: int) -> bytes:
    return _instruction(_RETURN, _REFUSE | error)


def _instruction(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)
