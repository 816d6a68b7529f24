"""The guard: a small process between the worker and one child, that leaves nothing running.

It is started as a script, with the environment of the child-to-be, and imports nothing but the
standard library, so that it starts at once and stays small. It kills every descendant of itself
when the child has ended, when the worker is gone, when the worker says so, when a cancel's grace is
over, and when two thirds of the lease have passed since the last confirmed renewal was sent. Only
then does it report, and ends. It never reads a byte that the child wrote.

    guard.py CONTROL DATA OUTPUT HELD MEMORY_BYTES PROCESSES_MAX COMMAND...

The first four are inherited file descriptors; HELD is only kept open while anything runs, and is -1
for none. A limit of 0 leaves it as it is.
"""
# pathlib would double the time that it takes to start:
# ruff: noqa: PTH123, PTH208

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import struct
import sys
import time

ORDER = struct.Struct("<cd")
"""Worker to guard: LEASE seconds, RENEWED sent-at (monotonic), GRACE seconds, or KILL."""
LEASE, RENEWED, GRACE, KILL = b"L", b"R", b"G", b"K"

REPORT = struct.Struct("<iqcB")
"""Guard to worker: wait status of the child, peak memory in bytes, cause, out of memory."""
ENDED, KILLED, GRACE_OVER, LEASE_OVER = b"E", b"K", b"G", b"L"

DATA_DESCRIPTOR = 3
FILES_MAX = 4096
OOM_SCORE = "500"

_ORPHANED = b"O"
LEASE_SHARE = 2 / 3
_LOOK_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def main(arguments: list[str]) -> None:
    """Start the child, watch it, end it, report."""
    control, data, output, held, memory_bytes, processes_max = map(int, arguments[:6])
    for number in (control, data, output, held):
        if number >= 0:
            os.set_inheritable(number, False)  # noqa: FBT003  it has no name
    # A group of its own: a Ctrl-C at the worker's terminal must not end the one who cleans up.
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    kills_before = _oom_kills()
    child = os.fork()
    if child == 0:
        _become_child(data, output, memory_bytes, processes_max, arguments[6:])
    os.close(data)
    os.close(output)
    watch = Watch(control, woken, child)
    cause = watch.run()
    end_all(woken, watch)
    out_of_memory = (
        cause == ENDED
        and os.WIFSIGNALED(watch.status)
        and os.WTERMSIG(watch.status) == signal.SIGKILL
        and _oom_kills() > kills_before
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    peak_bytes = peak if sys.platform == "darwin" else peak * 1024
    with contextlib.suppress(OSError):
        os.write(control, REPORT.pack(watch.status, peak_bytes, cause, out_of_memory))
    os._exit(0)


class Watch:
    """Waits until the child has ended or must end."""

    def __init__(self, control: int, woken: int, child: int) -> None:
        self.child: int | None = child
        self.status = 0
        self._control = control
        self._woken = woken
        self._orders = b""
        self._lease_seconds = 0.0
        self._lease_ends: float | None = None
        self._grace_ends: float | None = None

    def run(self) -> bytes:
        """Why the attempt is over: one of the causes."""
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._woken, select.POLLIN)
        while True:
            self.reap()
            if self.child is None:
                return ENDED
            now = time.clock_gettime(_CLOCK)
            if self._lease_ends is not None and now >= self._lease_ends:
                return LEASE_OVER
            if self._grace_ends is not None and now >= self._grace_ends:
                return GRACE_OVER
            ready = {number for number, _ in poller.poll(self._timeout_milliseconds(now))}
            if self._woken in ready:
                os.read(self._woken, 4096)
            if self._control in ready:
                cause = self._take_orders()
                if cause is not None:
                    return cause

    def reap(self) -> bool:
        """Collect whoever has died; whether anybody is left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self.child:
                    self.child = None
                    self.status = status
        except ChildProcessError:
            return False

    def _timeout_milliseconds(self, now: float) -> float | None:
        ends = [end for end in (self._lease_ends, self._grace_ends) if end is not None]
        if not ends:
            return None
        # Looks again each second: poll's own clock stands still while the machine is suspended.
        return 1000 * min(_LOOK_SECONDS, max(0.001, min(ends) - now))

    def _take_orders(self) -> bytes | None:
        try:
            received = os.read(self._control, 4096)
        except OSError:
            received = b""
        if not received:
            return _ORPHANED
        self._orders += received
        while len(self._orders) >= ORDER.size:
            order, value = ORDER.unpack_from(self._orders)
            self._orders = self._orders[ORDER.size :]
            if order == KILL:
                return KILLED
            self._obey(order, value)
        return None

    def _obey(self, order: bytes, value: float) -> None:
        now = time.clock_gettime(_CLOCK)
        if order == LEASE:
            self._lease_seconds = value
        elif order == RENEWED:
            age = time.monotonic() - value
            self._lease_ends = now - age + self._lease_seconds * LEASE_SHARE
        elif order == GRACE and self._grace_ends is None:
            self._grace_ends = now + value


def end_all(woken: int, watch: Watch) -> None:
    """Kill and collect every descendant. Orphans come to this process, so none gets away."""
    poller = select.poll()
    poller.register(woken, select.POLLIN)
    while watch.reap():
        for pid in children():
            # Someone else's, such as a set-user-id program: wait for its own end.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if watch.child is not None and sys.platform != "linux":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(watch.child, signal.SIGKILL)
        if poller.poll(5):
            os.read(woken, 4096)


def children() -> list[int]:
    """The processes whose parent this one is."""
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children", "rb") as listing:
            return [int(pid) for pid in listing.read().split()]
    except OSError:
        return [pid for pid in _processes() if _parent(pid) == me]


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def _become_child(
    data: int, output: int, memory_bytes: int, processes_max: int, command: list[str]
) -> None:
    try:
        guard = os.getppid()
        os.setsid()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != guard:
                os._exit(1)
            with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
                score.write(OOM_SCORE)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        _limit(memory_bytes, processes_max)
        _connect(data, output)
        os.execv(command[0], command)  # noqa: S606  the worker chose the command
    finally:
        os._exit(127)


def _limit(memory_bytes: int, processes_max: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    if processes_max:
        resource.setrlimit(resource.RLIMIT_NPROC, (processes_max, processes_max))


def _connect(data: int, output: int) -> None:
    """Leave the child the null device, its output and its channel, and nothing else."""
    # Out of the way first: one of them may have a number that the other is put on.
    data = fcntl.fcntl(data, fcntl.F_DUPFD_CLOEXEC, 10)
    output = fcntl.fcntl(output, fcntl.F_DUPFD_CLOEXEC, 10)
    null = fcntl.fcntl(os.open(os.devnull, os.O_RDONLY), fcntl.F_DUPFD_CLOEXEC, 10)
    for source, target in ((null, 0), (output, 1), (output, 2), (data, DATA_DESCRIPTOR)):
        os.dup2(source, target)


def _oom_kills() -> int:
    try:
        with open("/proc/vmstat", "rb") as vmstat:
            for line in vmstat:
                if line.startswith(b"oom_kill "):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


if __name__ == "__main__":
    main(sys.argv[1:])
