"""The object stores of the settings as what others have: places to read from."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from outlast.outbound import Gate
from outlast.resources.configured import ObjectStoreDocument
from outlast.resources.objects.folders import FolderSource
from outlast.resources.objects.port import ObjectSource


def key_references(name: str, store: ObjectStoreDocument) -> dict[str, str]:
    """References to the keys of an object store, by the names that `open_source` knows them by."""
    if not store.has_keys:
        return {}
    return {key: f"object_store:{name}/{key}" for key in ("access_key", "secret_key")}


@asynccontextmanager
async def open_source(
    store: ObjectStoreDocument, *, allow: Iterable[str], keys: Mapping[str, str]
) -> AsyncIterator[ObjectSource]:
    """An object store of the settings, to be read. Without keys a bucket must be public.

    `allow` are the rules of the gate; the store's own endpoint needs none. Raises Invalid,
    OutboundRefused, Unavailable.
    """
    if store.url.startswith("file://"):
        yield FolderSource(Path(store.url.removeprefix("file://")))
        return
    # Only who reads a bucket needs its client.
    from outlast.resources.objects.foreign import open_foreign_store  # noqa: PLC0415

    configured = () if store.endpoint is None else (store.endpoint,)
    async with open_foreign_store(
        store.url,
        gate=Gate(allow, configured=configured),
        endpoint=store.endpoint,
        region=store.region,
        access_key=keys.get("access_key"),
        secret_key=keys.get("secret_key"),
    ) as bucket:
        yield bucket
