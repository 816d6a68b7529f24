"""The data folder: who may look into it, and the lock that keeps it to one process tree."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

_LOCK_PAUSE_SECONDS: Final = 0.1


class DataFolderInUse(RuntimeError):
    """Another server uses this data folder."""


class DataFolder(msgspec.Struct, frozen=True):
    """Where everything of one installation is kept.

    The folder is 0711, so that the children of attempts can reach their own work folders; all else
    in it is 0700 or 0600, but `work`, which is 0711 as well.
    """

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "outlast.db"

    @property
    def objects(self) -> Path:
        """The object store's bytes."""
        return self.root / "objects"

    @property
    def work(self) -> Path:
        """The attempts' folders."""
        return self.root / "work"

    @property
    def spool(self) -> Path:
        """Files on their way in or out, on the same file system as the objects."""
        return self.root / "spool"

    @property
    def run(self) -> Path:
        """The sockets of the processes that use the folder."""
        return self.root / "run"

    @property
    def chat_journal(self) -> Path:
        """Entries of the chat log that wait to become objects."""
        return self.root / "chat-journal"

    @property
    def admin_token(self) -> Path:
        """The file with the first admin token."""
        return self.root / "admin-token"

    @property
    def secret_key(self) -> Path:
        """The file with the keys that seal secrets, where the environment has none."""
        return self.root / "secret.key"

    def make(self) -> None:
        """Make what is missing and set the modes."""
        self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.root.chmod(0o711)
        for folder in (self.chat_journal, self.objects, self.run, self.spool, self.work):
            mode = 0o711 if folder == self.work else 0o700
            folder.mkdir(mode=mode, exist_ok=True)
            folder.chmod(mode)

    def lock(self, wait_seconds: float) -> int:
        """The open lock file, held by this process and by those that inherit it.

        Raises DataFolderInUse if another process tree still holds it after `wait_seconds`.
        """
        file = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        ends_at = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            except BlockingIOError:
                if time.monotonic() >= ends_at:
                    os.close(file)
                    raise DataFolderInUse(
                        f"another server uses {self.root}; stop it, or name another --data folder"
                    ) from None
                time.sleep(_LOCK_PAUSE_SECONDS)

    def keep_secret(self, path: Path, make: Callable[[], str]) -> str:
        """The secret that a file holds, made now if there is no such file yet.

        It appears whole or not, whoever asks for it at the same time.
        """
        if not path.exists():
            new = path.with_name(f".{path.name}-{os.getpid()}")
            self.write_secret(new, make())
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(new)
            new.unlink()
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return path.read_text()

    def write_secret(self, path: Path, text: str) -> None:
        """Put a secret into a file that only its owner can read."""
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(file)
