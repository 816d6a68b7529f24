"""Upgrading a database, and moving a whole installation."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from outlast.app.foundation import check_sharing, open_keyring
from outlast.app.objects import check_objects, open_objects
from outlast.datafolder import DataFolder
from outlast.moving import (
    Archive,
    Installation,
    Moved,
    Report,
    export_installation,
    import_installation,
)
from outlast.resources.keyring import KEY_VARIABLE
from outlast.settings import Settings
from outlast.store.postgres.transfer import PostgresTransfer
from outlast.store.sqlite.transfer import SqliteTransfer
from outlast.store.transfer import Transfer, Upgrade

_LOCK_WAIT_SECONDS = 1.0


async def upgrades(settings: Settings) -> list[Upgrade]:
    """The migrations that the database of these settings has not had. Changes nothing."""
    return await _transfer(settings).upgrades()


async def upgrade(settings: Settings) -> list[int]:
    """Apply them; the numbers of those that were applied."""
    if settings.database is None:
        DataFolder(settings.data).make()
    return await _transfer(settings).upgrade()


async def export(settings: Settings, to: Path, report: Report, *, with_objects: bool) -> Moved:
    """Write an installation into a folder. Raises SettingsError, DataFolderInUse, BrokenArchive."""
    async with _installation(settings) as source:
        return await export_installation(source, Archive(to), report, with_objects=with_objects)


async def import_(settings: Settings, from_: Path, report: Report) -> Moved:
    """Make an installation of a folder that `export` wrote.

    Raises SettingsError, DataFolderInUse, BrokenArchive, Conflict.
    """
    check_sharing(settings)
    archive = Archive(from_)
    archive.manifest()
    folder = DataFolder(settings.data)
    folder.make()
    key = archive.files.secret_key
    if KEY_VARIABLE not in os.environ and key.exists():
        folder.keep_secret(folder.secret_key, lambda: key.read_text().strip())
    async with _installation(settings) as target:
        await check_objects(settings, target.objects)
        return await import_installation(archive, target, report)


@asynccontextmanager
async def _installation(settings: Settings) -> AsyncIterator[Installation]:
    """An installation whose data folder is this process's alone."""
    folder = DataFolder(settings.data)
    folder.make()
    lock = await asyncio.to_thread(folder.lock, _LOCK_WAIT_SECONDS)
    try:
        has_key = KEY_VARIABLE in os.environ or folder.secret_key.exists()
        place = None if settings.objects is None else settings.object_stores[settings.objects].url
        yield Installation(
            folder=folder,
            store=_transfer(settings),
            objects=open_objects(settings, folder, os.environ),
            objects_place=place,
            keyring=open_keyring(folder) if has_key else None,
        )
    finally:
        os.close(lock)


def _transfer(settings: Settings) -> Transfer:
    if settings.database is not None:
        return PostgresTransfer(settings.database)
    return SqliteTransfer(DataFolder(settings.data).database)
