"""The lock of a sandboxed child: what it does to itself before it meets untrusted bytes.

Files: a user of its own, where the worker is root, and Landlock, wherever the kernel has it.
Network: an empty network namespace, where one can be had, and a seccomp filter, on the machines for
which one is written. All that can be had is used.

It locks itself in two steps. `Lock.shut` comes before the modules are imported, while the process
has one thread, because all but the user is taken from one thread and those that it starts. `Lock.
seal` comes after, and takes the user, and the sight of what only the imports needed. A thread that
an import started keeps that sight of the module path, and of nothing else.
"""

import importlib
import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from outlast.executors import landlock, linux, seccomp

_SYSTEM_FILES: Final = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    *("/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom", "/dev/random", "/dev/zero"),
    *("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"),
    # DuckDB asks its control group for its memory, and dies where it may not look.
    *("/proc/self/cgroup", "/sys/fs/cgroup"),
    # How much of the address space is taken: whoever forks under a limit must know.
    "/proc/self/statm",
)
# Imported only when they are first used, which is too late where the interpreter's folder belongs
# to somebody else.
_LATE_MODULES: Final = (
    *("encodings.ascii", "encodings.cp1252", "encodings.idna", "encodings.latin_1"),
    *("encodings.punycode", "encodings.raw_unicode_escape", "encodings.unicode_escape"),
    *("encodings.utf_16", "encodings.utf_16_be", "encodings.utf_16_le", "encodings.utf_32"),
    *("encodings.utf_8_sig", "_strptime", "asyncio", "concurrent.futures.thread", "decimal"),
    *("fractions", "ipaddress", "linecache", "tempfile", "uuid", "zoneinfo"),
)


class Mechanisms(msgspec.Struct, frozen=True, kw_only=True):
    """Which mechanisms may be used. All, but in tests, and where one of them does harm."""

    user: bool = True
    landlock: bool = True
    namespace: bool = True
    seccomp: bool = True


class Locked(msgspec.Struct, kw_only=True):
    """What a child has done to itself, and why it could not do the rest."""

    user: bool = False
    landlock: int = 0
    namespace: Literal["namespace", "user namespace"] | None = None
    seccomp: bool = False
    refusals: list[str] = []

    @property
    def files(self) -> Literal["uid+landlock", "uid", "landlock"] | None:
        """What keeps the child from the files of others."""
        if self.user:
            return "uid+landlock" if self.landlock else "uid"
        return "landlock" if self.landlock else None

    @property
    def network(self) -> Literal["namespace", "user namespace", "seccomp"] | None:
        """What keeps the child off the network."""
        return self.namespace or ("seccomp" if self.seccomp else None)

    @property
    def holds(self) -> bool:
        """Whether both are kept."""
        return self.files is not None and self.network is not None


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """How one child is to lock itself. `user` is None where it keeps the worker's."""

    workdir: str
    hidden: list[str]
    user: int | None
    mechanisms: Mechanisms

    def shut(self) -> "Shut":
        """Take everything from this process, which must have one thread, but what imports need."""
        locked = Locked()
        user, group = os.getuid(), os.getgid()
        if self.mechanisms.namespace:
            self._leave_network(locked, user, group)
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        inner = None
        if self.mechanisms.landlock and landlock.version():
            self._ruleset(for_imports=True).enforce()
            # Made now, since another user might not see the files that it names.
            inner = self._ruleset(for_imports=False)
            locked.landlock = landlock.version()
        if self.mechanisms.seccomp and seccomp.available():
            try:
                seccomp.enforce()
                locked.seccomp = True
            except OSError as error:
                locked.refusals.append(f"seccomp: {error.strerror}")
        if self.user is None:
            linux.drop_capabilities()
        return Shut(self.workdir, self.user, inner, locked)

    def _leave_network(self, locked: Locked, user: int, group: int) -> None:
        if user == 0:
            try:
                linux.unshare(linux.CLONE_NEWNET)
                locked.namespace = "namespace"
            except OSError as error:
                locked.refusals.append(f"network namespace: {error.strerror}")
            return
        try:
            linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNET)
            # Without these, files that the child makes could not be told from nobody's.
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        except OSError as error:
            locked.refusals.append(f"user namespace: {error.strerror}")
        else:
            locked.namespace = "user namespace"

    def _ruleset(self, *, for_imports: bool) -> landlock.Ruleset:
        ruleset = landlock.Ruleset(outward=for_imports)
        hidden = [Path(path) for path in self.hidden]
        readable = list(_interpreter())
        if for_imports:
            readable += [Path(entry) for entry in sys.path if entry]
        for root in readable:
            if for_imports:
                ruleset.allow(root, landlock.LIST)
            for path in without(root.resolve(), hidden):
                ruleset.allow(path, landlock.READ)
        for name in _SYSTEM_FILES:
            ruleset.allow(Path(name), landlock.READ)
        ruleset.allow(Path(os.devnull), landlock.READ_AND_WRITE)
        ruleset.allow(Path(self.workdir), landlock.READ_AND_WRITE)
        return ruleset


class Shut:
    """A child between the two steps."""

    def __init__(
        self, workdir: str, user: int | None, ruleset: landlock.Ruleset | None, locked: Locked
    ) -> None:
        self._workdir = workdir
        self._user = user
        self._ruleset = ruleset
        self._locked = locked

    def seal(self) -> Locked:
        """Take the rest. Only what has been imported until now can be relied upon."""
        for module in _LATE_MODULES:
            importlib.import_module(module)
        # Another user might not be allowed to walk there.
        os.chdir(self._workdir)
        if self._user is not None:
            os.setgroups([])
            os.setresgid(self._user, self._user, self._user)
            # All of them at once, and in every thread: the C library sees to that.
            os.setresuid(self._user, self._user, self._user)
            linux.drop_capabilities()
            # The change of user has undone it.
            linux.prctl(linux.PR_SET_PDEATHSIG, 9)
            self._locked.user = True
        if self._ruleset is not None:
            self._ruleset.enforce()
        return self._locked


def without(root: Path, hidden: list[Path]) -> Iterator[Path]:
    """The root, or as little of what is in it as leaves out the hidden folders."""
    if any(path == root or path in root.parents for path in hidden):
        return
    if not any(root in path.parents for path in hidden):
        yield root
        return
    for entry in root.iterdir():
        if not entry.is_symlink():
            yield from without(entry, hidden)


def _interpreter() -> Iterator[Path]:
    """Where the interpreter, its standard library and the installed packages are."""
    paths = sysconfig.get_paths()
    for name in ("stdlib", "platstdlib", "purelib", "platlib"):
        yield Path(paths[name])
    for folder in site.getsitepackages():
        yield Path(folder)
    yield Path(sys.base_prefix, "lib")
