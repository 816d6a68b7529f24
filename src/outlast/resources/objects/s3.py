"""Objects in a bucket that speaks S3."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec
import obstore
from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from outlast.operations.errors import NotFound, Unavailable
from outlast.operations.model import SECOND
from outlast.resources.objects.port import CHUNK_BYTES, ObjectChanged, ObjectInfo, check_key

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig

DEFAULT_REGION: Final = "us-east-1"
_INCOMING: Final = ".incoming/"
_PART_BYTES: Final = 8 * 1024 * 1024
_PARTS_AT_ONCE: Final = 4
_LIST_BATCH: Final = 1000
_COPY_BYTES_MAX: Final = 5 * 1024**3
_ERROR_CHARS_MAX: Final = 300
# A bucket cannot delete an object only if it is old: it is looked at, and deleted within this time.
_DELETE_SECONDS: Final = 5.0
_SETTLE_SECONDS: Final = 2 * _DELETE_SECONDS
_RISK: Final = 12 * 3600 * SECOND

logger = logging.getLogger(__name__)


class BucketFailed(Unavailable):
    """The object store does not do its work right now."""

    def __init__(self, reason: str) -> None:
        # Where the bytes of an installation lie is not for its callers: they get one sentence.
        super().__init__()
        self.reason = reason


class KeysRefused(BucketFailed):
    """The object store refuses the keys."""


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A place that speaks S3: `url` is s3://BUCKET/PREFIX. Without keys: what AWS's tools find."""

    url: str
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = None

    def __repr__(self) -> str:
        return f"Bucket({self.url!r})"


def split_url(url: str) -> tuple[str, str]:
    """The bucket and the prefix of s3://BUCKET/PREFIX. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.hostname or parts.netloc != parts.hostname:
        raise ValueError("an object store's url is s3://BUCKET or s3://BUCKET/PREFIX")
    return parts.netloc, parts.path.strip("/")


def open_bucket(bucket: Bucket, *, proxy_url: str | None = None, **options: Any) -> S3Store:
    """A client for a bucket. Raises ValueError for a URL or an endpoint that is none."""
    name, prefix = split_url(bucket.url)
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=10),
        "read_timeout": timedelta(seconds=60),
        # For a whole body, of whatever size: what stalls ends by the other two.
        "timeout": timedelta(hours=12),
    }
    if proxy_url is not None:
        client["proxy_url"] = proxy_url
    retry: RetryConfig = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
    if bucket.endpoint is not None:
        client["allow_http"] = bucket.endpoint.startswith("http://")
        options["endpoint"] = options["aws_endpoint_url_s3"] = bucket.endpoint
    if bucket.access_key is not None and bucket.secret_key is not None:
        options["access_key_id"] = bucket.access_key
        options["secret_access_key"] = bucket.secret_key
    try:
        return S3Store(
            name,
            prefix=prefix or None,
            region=bucket.region or DEFAULT_REGION,
            client_options=client,
            retry_config=retry,
            **options,
        )
    except BaseError as error:
        raise ValueError(f"{bucket.url}: {_brief(error)}") from error


class S3Objects:
    """Objects in a bucket, below its prefix: what several machines can share.

    Where the bucket does not do its work, every call raises BucketFailed.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._store = open_bucket(bucket)
        self._url = bucket.url

    async def probe(self) -> None:
        """Do once what will be done with every object. Raises BucketFailed."""
        key = f"{_INCOMING}probe-{secrets.token_hex(8)}"
        with failures(self._url):
            await obstore.put_async(self._store, key, b"probe")
            await obstore.copy_async(self._store, key, key + "-copy")
            answer = await obstore.get_async(self._store, key + "-copy")
            is_same = bytes(await answer.bytes_async()) == b"probe"
            listed = {meta["path"] async for meta in self._list(_INCOMING)}
            await obstore.delete_async(self._store, [key, key + "-copy"])
        if not is_same or not {key, key + "-copy"} <= listed:
            raise BucketFailed("it does not give back what was stored")

    async def put_file(self, key: str, path: Path, *, move: bool = False) -> None:
        """See ObjectStore. A large file is sent in parts, a few of them at once."""
        check_key(key)
        with failures(key):
            await self._put(key, path)
        if move:
            await asyncio.to_thread(path.unlink)

    async def put_bytes(self, key: str, content: bytes) -> None:
        """See ObjectStore."""
        check_key(key)
        with failures(key):
            await self._put(key, content)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """See ObjectStore."""
        check_key(key)
        async for chunk in read_object(self._store, key):
            yield chunk

    async def fetch(self, key: str, path: Path) -> None:
        """See ObjectStore."""
        chunks = self.read(key)
        first = await anext(chunks, b"")
        with path.open("wb") as file:
            await asyncio.to_thread(file.write, first)
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)

    def local_path(self, key: str) -> Path | None:
        """See ObjectStore."""
        check_key(key)
        return None

    async def find(self, key: str) -> ObjectInfo | None:
        """See ObjectStore."""
        check_key(key)
        try:
            with failures(key):
                return as_info(await obstore.head_async(self._store, key))
        except NotFound:
            return None

    async def copy(self, source_key: str, target_key: str) -> None:
        """See ObjectStore. The bucket copies by itself, but for what is too large for that."""
        found = await self.find(source_key)
        check_key(target_key)
        if found is None:
            raise NotFound(f"there is no object {source_key}")
        if source_key == target_key:
            await self._refresh(found)
        else:
            await self._copy(source_key, target_key, found.bytes)

    async def touch(self, key: str) -> bool:
        """See ObjectStore. Where a collector might be about to delete it, this takes a while."""
        found = await self.find(key)
        if found is None:
            return False
        await self._refresh(found)
        touched = await self.find(key)
        if touched is not None and touched.modified_at - found.modified_at > _RISK:
            await asyncio.sleep(_SETTLE_SECONDS)
            touched = await self.find(key)
        return touched is not None

    async def delete(self, key: str, *, unless_modified_since: int | None = None) -> bool:
        """See ObjectStore."""
        if unless_modified_since is None:
            return await self.find(key) is not None and await self._delete(key)
        with failures(key):
            async with asyncio.timeout(_DELETE_SECONDS):
                found = await self.find(key)
                if found is None or found.modified_at >= unless_modified_since:
                    return False
                return await self._delete(key)

    async def walk(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """See ObjectStore."""
        if prefix:
            check_key(prefix.rstrip("/"))
        async for meta in self._list(prefix):
            if not meta["path"].startswith("."):
                yield as_info(meta)

    async def delete_leftovers(self, before: int) -> int:
        """See ObjectStore. Parts of broken uploads are for a rule of the bucket's life cycle."""
        gone = 0
        async for meta in self._list(_INCOMING):
            info = as_info(meta)
            if info.modified_at < before:
                gone += await self._delete(info.key)
        return gone

    async def _delete(self, key: str) -> bool:
        with failures(key):
            await obstore.delete_async(self._store, key)
        return True

    async def _put(self, key: str, content: Path | bytes) -> None:
        await obstore.put_async(
            self._store,
            key,
            content,
            chunk_size=_PART_BYTES,
            max_concurrency=_PARTS_AT_ONCE,
        )

    async def _refresh(self, found: ObjectInfo) -> None:
        # Buckets refuse to copy an object onto itself.
        aside = _INCOMING + secrets.token_hex(16)
        await self._copy(found.key, aside, found.bytes)
        await self._copy(aside, found.key, found.bytes)
        await self._delete(aside)

    async def _copy(self, source: str, target: str, size: int) -> None:
        if size > _COPY_BYTES_MAX:
            content = read_object(self._store, source)
            with failures(target):
                await obstore.put_async(self._store, target, content, chunk_size=_PART_BYTES * 8)
            return
        with failures(source):
            await obstore.copy_async(self._store, source, target)

    async def _list(self, prefix: str) -> AsyncIterator["ObjectMeta"]:
        with failures(prefix):
            async for batch in obstore.list(self._store, prefix, chunk_size=_LIST_BATCH):
                for meta in batch:
                    yield meta


async def read_object(store: S3Store, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
    """An object's bytes, chunk by chunk. Raises NotFound, BucketFailed.

    ObjectChanged, where it has another `etag` than the one given.
    """
    with failures(key):
        answer = await obstore.get_async(store, key)
        if etag is not None and answer.meta["e_tag"] != etag:
            raise ObjectChanged(key)
        async for chunk in answer.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)


def as_info(meta: "ObjectMeta") -> ObjectInfo:
    """What a bucket says of an object."""
    modified_at = int(meta["last_modified"].timestamp() * SECOND)
    return ObjectInfo(
        key=meta["path"], bytes=meta["size"], modified_at=modified_at, etag=meta["e_tag"]
    )


@contextmanager
def failures(key: str) -> Iterator[None]:
    """Errors of the client in our words, and in the log in its own."""
    try:
        yield
    except (FileNotFoundError, NotFoundError):
        raise NotFound(f"there is no object {key}") from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        logger.warning("a bucket refuses the keys: %s", _brief(error))
        raise KeysRefused(f"it refuses the keys: {_brief(error)}") from error
    except (BaseError, TimeoutError) as error:
        logger.warning("a bucket fails: %s", _brief(error))
        raise BucketFailed(_brief(error)) from error


def _brief(error: Exception) -> str:
    """The first line of what a client says, without its debugging output."""
    return str(error).partition("\n")[0][:_ERROR_CHARS_MAX]
