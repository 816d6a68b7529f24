"""Numbered SQL files, a folder for each adapter."""

import hashlib
from pathlib import Path

import msgspec


class Migration(msgspec.Struct, frozen=True):
    """One file of SQL statements. `checksum` shows that nobody edited it after it was applied."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the file's text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(folder: Path) -> list[Migration]:
    """The migrations of a folder, in order."""
    return [
        Migration(int(path.name[:4]), path.stem[5:], path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    ]
