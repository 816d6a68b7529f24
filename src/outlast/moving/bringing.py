"""Objects from one place to another."""

import secrets
from pathlib import Path

from outlast.moving.installation import Report
from outlast.resources.objects import ObjectInfo, ObjectStore

_REPORT_EVERY = 100


class Brought:
    """How much was brought so far."""

    def __init__(self) -> None:
        self.objects = 0
        self.bytes = 0


async def bring_objects(
    source: ObjectStore, target: ObjectStore, spool: Path, report: Report
) -> Brought:
    """Store every object in another place too. Files on one file system are linked, not copied."""
    brought = Brought()
    async for info in source.walk(""):
        await _bring(source, target, spool, info)
        brought.objects += 1
        brought.bytes += info.bytes
        if brought.objects % _REPORT_EVERY == 0:
            report("objects", brought.objects, None)
    report("objects", brought.objects, brought.objects)
    return brought


async def _bring(source: ObjectStore, target: ObjectStore, spool: Path, info: ObjectInfo) -> None:
    path = source.local_path(info.key)
    if path is None:
        fetched = spool / f".{secrets.token_hex(8)}"
        try:
            await source.fetch(info.key, fetched)
            await target.put_file(info.key, fetched, move=True)
        finally:
            fetched.unlink(missing_ok=True)
        return
    linked = spool / f".{secrets.token_hex(8)}"
    try:
        linked.hardlink_to(path)
    except OSError:
        await target.put_file(info.key, path)
        return
    try:
        await target.put_file(info.key, linked, move=True)
    finally:
        linked.unlink(missing_ok=True)
