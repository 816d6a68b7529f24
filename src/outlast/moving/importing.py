"""From an archive into a new installation."""

import asyncio
import shutil

from outlast.moving.archive import Archive, BrokenArchive, Manifest, RowsDigest, TableEntry
from outlast.moving.bringing import bring_objects
from outlast.moving.installation import Installation, Moved, Report
from outlast.operations.errors import Conflict
from outlast.resources.objects import LocalObjects
from outlast.store.transfer import Load, Table


async def import_installation(archive: Archive, target: Installation, report: Report) -> Moved:
    """Fill an empty installation with all that an archive holds, or with nothing.

    What was written is read back and compared before it counts; the database's transaction is the
    last thing that happens. Raises BrokenArchive, Conflict for an installation that is not empty or
    could not keep what the archive holds, Unavailable.
    """
    manifest = archive.manifest()
    _check_place(manifest, target)
    _check_keys(manifest, target)
    await target.store.upgrade()
    async with target.store.filling() as load:
        if manifest.objects_place is None:
            await _bring(archive, manifest, target, report)
        await _fill(archive, manifest, load, report)
        await asyncio.to_thread(_copy_journal, archive, target)
    token = archive.files.admin_token
    if token.exists():
        target.folder.write_secret(target.folder.admin_token, token.read_text().strip())
    return Moved(
        rows={name: entry.rows for name, entry in manifest.tables.items()},
        objects=manifest.objects,
        object_bytes=manifest.object_bytes,
    )


def _check_place(manifest: Manifest, target: Installation) -> None:
    if manifest.objects_place not in (None, target.objects_place):
        raise Conflict(
            f"the objects were left in {manifest.objects_place}: name the same place in `objects`,"
            " or export again with them"
        )


def _check_keys(manifest: Manifest, target: Installation) -> None:
    held = () if target.keyring is None else target.keyring.names
    missing = sorted(set(manifest.keys) - set(held))
    if missing:
        raise Conflict(
            f"secrets were sealed with key {', '.join(missing)}, which the new installation does"
            " not have: put what the export's secret.key holds, or what OUTLAST_SECRET_KEY was,"
            " into OUTLAST_SECRET_KEY"
        )


async def _bring(
    archive: Archive, manifest: Manifest, target: Installation, report: Report
) -> None:
    objects = LocalObjects(archive.files.objects)
    brought = await bring_objects(objects, target.objects, target.folder.spool, report)
    if (brought.objects, brought.bytes) != (manifest.objects, manifest.object_bytes):
        raise BrokenArchive(
            f"there are {brought.objects} objects of {brought.bytes} bytes in all, but there were"
            f" {manifest.objects} of {manifest.object_bytes}"
        )


async def _fill(archive: Archive, manifest: Manifest, load: Load, report: Report) -> None:
    tables = {table.name: table for table in load.tables}
    for name, entry in manifest.tables.items():
        known = tables.get(name, Table(name, ()))
        unknown = sorted(set(entry.columns) - set(known.columns))
        if unknown or name not in tables:
            raise Conflict(f"this version has no place for {name} ({', '.join(unknown)})")
    for name, entry in manifest.tables.items():
        table = Table(name, entry.columns)
        done = 0
        report(name, done, entry.rows)
        for batch in archive.read(name):
            await load.insert(table, batch)
            done += len(batch)
            report(name, done, entry.rows)
        await _compare(load, table, entry)


async def _compare(load: Load, table: Table, entry: TableEntry) -> None:
    digest = RowsDigest()
    async for batch in load.rows(table):
        digest.add(batch)
    if digest.entry(table.columns) != entry:
        raise BrokenArchive(
            f"what was written of {table.name} is not what was exported: the export was changed,"
            " or this database cannot hold it"
        )


def _copy_journal(archive: Archive, target: Installation) -> None:
    journal = archive.files.chat_journal
    if journal.is_dir():
        shutil.copytree(journal, target.folder.chat_journal, dirs_exist_ok=True)
