"""Lists the files of a pipe table and brings them to the workdir. Reads none of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from outlast.kinds.pipe_tables.calls import LocalFile
from outlast.operations.errors import Fatal, Invalid, NotFound, OutboundRefused, Retry
from outlast.operations.kind import Context
from outlast.resources.configured import InstallationDocument, ObjectStoreDocument
from outlast.resources.objects.port import ObjectChanged, ObjectInfo, ObjectSource
from outlast.resources.objects.sources import open_source
from outlast.resources.pipe_tables.listing import (
    ListedFile,
    format_of,
    is_loaded,
    partition_values,
)

_FETCHES_AT_ONCE: Final = 4


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the files are."""

    store: ObjectStoreDocument
    prefix: str
    installation: InstallationDocument


@contextlib.asynccontextmanager
async def opened(place: Place, context: Context) -> AsyncIterator["Files"]:
    """The files below a prefix. Raises Fatal with a code of the kinds, Retry, Unavailable."""
    try:
        async with open_source(
            place.store, allow=place.installation.outbound_allow, keys=context.secrets
        ) as source:
            yield Files(place, source, context)
    except OutboundRefused as error:
        raise Fatal("outbound_refused", error.message) from error
    except NotFound as error:
        raise Fatal("files_missing", error.message) from error
    except ObjectChanged as error:
        raise Retry(code="files_changed", message=error.message) from error
    except Invalid as error:
        raise Fatal("access_refused", error.message) from error


class Files:
    """What is below the prefix of a pipe table."""

    def __init__(self, place: Place, source: ObjectSource, context: Context) -> None:
        self._place = place
        self._source = source
        self._context = context

    async def list(self) -> Sequence[ListedFile]:
        """The files that a pipe table is made of; empty ones are passed over."""
        self._context.report(stage="listing")
        prefix, most = self._place.prefix, self._place.installation.pipe_table_files
        listed: list[ListedFile] = []
        async for info in self._source.list(prefix):
            if info.bytes and is_loaded(info.key, prefix):
                listed.append(_listed(info))
            if len(listed) > most:
                raise Fatal(
                    "result_too_large",
                    f"there are more than {most} files below the prefix (limits.pipe_table_files)",
                )
        return listed

    async def fetch(self, files: Sequence[ListedFile]) -> tuple[LocalFile, ...]:
        """The files in the workdir, in the same order."""
        context, total = self._context, sum(file.bytes for file in files)
        context.report(0, total, unit="bytes", stage="fetching")
        numbered = iter(enumerate(files))
        done = fetched = 0

        async def work() -> None:
            nonlocal done, fetched
            for number, file in numbered:
                path = context.workdir / f"file-{number:05}"
                with path.open("xb") as local:
                    # Who reads it is another user, and must not need a copy.
                    path.chmod(0o644)
                    async for chunk in self._source.read(file.key, file.etag):
                        await asyncio.to_thread(local.write, chunk)
                        done += len(chunk)
                        context.report(done, message=f"{fetched} of {len(files)} files")
                fetched += 1

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_FETCHES_AT_ONCE):
                    group.create_task(work())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        context.report(total, message=f"{len(files)} of {len(files)} files")
        return tuple(self._local(number, file) for number, file in enumerate(files))

    def _local(self, number: int, file: ListedFile) -> LocalFile:
        format, is_compressed = format_of(file.key)
        return LocalFile(
            file=f"file-{number:05}",
            key=file.key,
            identity=file.identity,
            bytes=file.bytes,
            format=format,
            is_compressed=is_compressed,
            partition=partition_values(file.key, self._place.prefix),
        )


def _listed(info: ObjectInfo) -> ListedFile:
    # A store that has no etags tells of a change by its time.
    identity = info.etag or f"{info.bytes:x}-{info.modified_at:x}"
    return ListedFile(key=info.key, bytes=info.bytes, identity=identity, etag=info.etag)
