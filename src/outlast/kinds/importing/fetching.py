"""Brings the objects of a caller's bucket to the workdir, through the gate, and reads none."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.operations.errors import Fatal, Invalid, NotFound, OutboundRefused
from outlast.operations.kind import Context
from outlast.outbound import Gate
from outlast.resources.datasets.calls import GuessedFormat, NamedFile, format_of
from outlast.resources.objects.foreign import ForeignStore, open_foreign_store

OBJECTS_MAX: Final = 1000
BYTES_MAX: Final = 16 * 1024**3


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the objects are; `allow` are the rules of the gate."""

    url: str
    endpoint: str | None
    region: str | None
    allow: tuple[str, ...]


async def fetch_objects(place: Place, format: GuessedFormat, context: Context) -> list[NamedFile]:
    """The objects below a prefix, as files of the workdir, in the order of their keys.

    Raises Fatal with a code of the kind, Unavailable.
    """
    context.report(0, unit="bytes", stage="fetching")
    bucket, prefix = _split(place.url)
    try:
        async with open_foreign_store(
            bucket,
            gate=Gate(place.allow),
            endpoint=place.endpoint,
            region=place.region,
            access_key=context.secrets.get("access_key"),
            secret_key=context.secrets.get("secret_key"),
        ) as store:
            keys, total = await _find(store, prefix)
            names = await _fetch(store, keys, total, context)
    except OutboundRefused as error:
        raise Fatal("outbound_refused", error.message) from error
    except NotFound as error:
        raise Fatal("objects_missing", error.message) from error
    except Invalid as error:
        raise Fatal("access_refused", error.message) from error
    return [
        NamedFile(file=name, name=key, format=format_of(key, format))
        for key, name in zip(keys, names, strict=True)
    ]


def _split(url: str) -> tuple[str, str]:
    """The URL of the bucket alone, and what may be a prefix or a key."""
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    return f"{scheme}://{bucket}", prefix.strip("/")


async def _find(store: ForeignStore, prefix: str) -> tuple[Sequence[str], int | None]:
    """The keys of the objects below a prefix, in order, and their size together."""
    sizes: dict[str, int] = {}
    async for info in store.list(prefix):
        if info.bytes:
            sizes[info.key] = info.bytes
        if len(sizes) > OBJECTS_MAX:
            raise _too_large(f"there are more than {OBJECTS_MAX} objects below {prefix!r}")
    total = sum(sizes.values())
    if total > BYTES_MAX:
        raise _too_large(f"the objects have more than {BYTES_MAX} bytes")
    if sizes:
        return sorted(sizes), total
    if not prefix:
        raise NotFound("the bucket has no objects")
    # Nothing is below the name of an object: then it is that one, or there is none.
    return [prefix], None


async def _fetch(
    store: ForeignStore, keys: Sequence[str], total: int | None, context: Context
) -> list[str]:
    names: list[str] = []
    done = 0
    for number, key in enumerate(keys):
        path = context.workdir / f"object-{number:05}"
        with path.open("xb") as file:
            async for chunk in store.read(key):
                done += len(chunk)
                if done > BYTES_MAX:
                    raise _too_large(f"the objects have more than {BYTES_MAX} bytes")
                await asyncio.to_thread(file.write, chunk)
                context.report(done, total, unit="bytes", message=key)
        names.append(path.name)
    return names


def _too_large(message: str) -> Fatal:
    return Fatal("result_too_large", message)
