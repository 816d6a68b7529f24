"""From an installation to an archive."""

import asyncio
import shutil
from importlib.metadata import version

from outlast.moving.archive import FORMAT, Archive, Manifest, TableEntry
from outlast.moving.bringing import Brought, bring_objects
from outlast.moving.installation import Installation, Moved, Report
from outlast.resources.objects import LocalObjects
from outlast.store.transfer import Snapshot


async def export_installation(
    source: Installation, archive: Archive, report: Report, *, with_objects: bool
) -> Moved:
    """Write everything into an empty folder, as it stood at one moment.

    Without objects, whoever imports it must have the same place for bytes. Raises BrokenArchive for
    a folder that is not empty, Unavailable.
    """
    archive.begin()
    async with source.store.reading() as snapshot:
        tables = await _write_tables(snapshot, archive, report)
    brought = Brought()
    if with_objects:
        target = LocalObjects(archive.files.objects)
        brought = await bring_objects(source.objects, target, archive.root, report)
    keys = await asyncio.to_thread(_copy_files, source, archive)
    archive.finish(
        Manifest(
            format=FORMAT,
            version=version("outlast"),
            tables=tables,
            objects=brought.objects,
            object_bytes=brought.bytes,
            objects_place=None if with_objects else source.objects_place,
            keys=keys,
        )
    )
    return Moved(
        rows={name: entry.rows for name, entry in tables.items()},
        objects=brought.objects,
        object_bytes=brought.bytes,
    )


async def _write_tables(
    snapshot: Snapshot, archive: Archive, report: Report
) -> dict[str, TableEntry]:
    entries: dict[str, TableEntry] = {}
    for table in snapshot.tables:
        report(table.name, 0, None)
        entries[table.name] = await archive.write(table, snapshot.rows(table))
        report(table.name, entries[table.name].rows, entries[table.name].rows)
    return entries


def _copy_files(source: Installation, archive: Archive) -> tuple[str, ...]:
    """Copy what lies beside the database and the objects; the names of the keys."""
    if source.folder.chat_journal.is_dir():
        shutil.copytree(source.folder.chat_journal, archive.files.chat_journal)
    for name in ("admin_token", "secret_key"):
        path = getattr(source.folder, name)
        if path.exists():
            archive.files.write_secret(getattr(archive.files, name), path.read_text().strip())
    return () if source.keyring is None else source.keyring.names
