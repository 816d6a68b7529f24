"""The folder `work/`, and in it one folder per attempt.

The folder of an attempt may belong to a child that wishes us ill: nothing in it is opened through a
symbolic link, and nothing is written into it by name.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from outlast.operations.errors import Invalid

_TOKEN_CHARACTERS: Final = 8
_READABLE: Final = 0o444


class WorkFolder:
    """One process's use of `work/`. A folder is stale when the process that made it is gone.

    Folders are named `<operation>-<attempt>-<process token><random>`; the process holds a lock on
    `.<process token>.lock` as long as it lives.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._token = ""
        self._lock: int | None = None

    def open(self) -> None:
        """Make the folder where it is missing, and remove what dead processes left in it."""
        self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._token = secrets.token_hex(_TOKEN_CHARACTERS // 2)
        # Under another name until it is locked: a lock file that is free is a dead process's.
        unlocked = self.path / f".{self._token}.new"
        self._lock = os.open(unlocked, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unlocked.rename(self._lock_path(self._token))
        self._remove_stale()

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock_path(self._token).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def make(self, owner: int | None) -> Path:
        """An empty folder, of this owner if one is given. `name` gives it its name."""
        path = self.path / f"warm-{self._random()}"
        path.mkdir(mode=0o700)
        if owner is not None:
            os.chown(path, owner, owner)
        return path

    def name(self, path: Path, operation_id: str, attempt: int) -> Path:
        """Give a folder the name of its attempt."""
        return path.rename(self.path / f"{operation_id}-{attempt}-{self._random()}")

    def _random(self) -> str:
        return self._token + secrets.token_hex(4)

    def _lock_path(self, token: str) -> Path:
        return self.path / f".{token}.lock"

    def _remove_stale(self) -> None:
        live: dict[str, bool] = {self._token: True}
        for entry in list(self.path.iterdir()):
            random = entry.name.rpartition("-")[2]
            if not entry.name.startswith(".") and len(random) == 2 * _TOKEN_CHARACTERS:
                token = random[:_TOKEN_CHARACTERS]
                if token not in live:
                    live[token] = self._is_locked(token)
                if not live[token]:
                    remove(entry)
        for token, is_live in live.items():
            if not is_live:
                self._lock_path(token).unlink(missing_ok=True)

    def _is_locked(self, token: str) -> bool:
        try:
            number = os.open(self._lock_path(token), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(number)
        return False


def stage(workdir: Path, inputs: Mapping[str, Path], owner: int | None) -> None:
    """Put inputs into a workdir that no child has seen yet. Raises Invalid for a name that leaves.

    `owner` is the child's user, if it is another than ours.
    """
    for name, source in inputs.items():
        target = workdir / relative(name)
        for folder in reversed(target.relative_to(workdir).parents[:-1]):
            (workdir / folder).mkdir(mode=0o755, exist_ok=True)
        found = source.stat()
        if owner is not None and found.st_uid != owner and found.st_mode & stat.S_IROTH:
            with contextlib.suppress(OSError):
                target.hardlink_to(source)
                continue
        shutil.copyfile(source, target)
        target.chmod(_READABLE)


def relative(name: str) -> PurePosixPath:
    """A name as a path that stays beneath where it starts. Raises Invalid."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise Invalid(f"not a file name: {name!r}")
    return path


@contextlib.contextmanager
def opened(workdir: Path, name: str) -> Iterator[int]:
    """A regular file beneath a workdir, open for reading. Raises Invalid for anything else."""
    path = relative(name)
    with _opened_folder(workdir, path) as folder:
        # Not blocking: a pipe in the place of a file must not hold us up.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            number = os.open(path.name, flags, dir_fd=folder)
        except OSError as error:
            raise Invalid(f"no file {name!r} in the workdir: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise Invalid(f"{name!r} in the workdir is not a regular file")
        yield number
    finally:
        os.close(number)


def move_in(source: Path, workdir: Path, name: str, owner: int | None) -> None:
    """Move a file of ours into a workdir, replacing what has that name. Raises Invalid."""
    path = relative(name)
    if owner is not None:
        os.chown(source, owner, owner)
    with _opened_folder(workdir, path) as folder:
        os.rename(source, path.name, dst_dir_fd=folder)


@contextlib.contextmanager
def _opened_folder(workdir: Path, path: PurePosixPath) -> Iterator[int]:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    number = os.open(workdir, flags)
    try:
        for part in path.parts[:-1]:
            outer = number
            try:
                number = os.open(part, flags, dir_fd=outer)
            except OSError as error:
                raise Invalid(f"no folder {part!r} in the workdir: {error.strerror}") from error
            os.close(outer)
        yield number
    finally:
        os.close(number)


def remove(path: Path) -> None:
    """Remove a folder with all that is in it, however odd."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):
        # Folders that forbid to look into them, or that are deeper than Python can follow.
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*command, "--", str(path)], check=False, capture_output=True)  # noqa: S603  a path of ours
