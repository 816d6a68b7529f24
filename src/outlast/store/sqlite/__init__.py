"""The SQLite adapter: one file, one writer in each process, group commit."""

from outlast.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
