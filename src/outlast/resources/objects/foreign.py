"""Buckets of callers: read through the gate, with the keys that they brought."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import obstore
from obstore.store import S3Store

from outlast.operations.errors import Invalid, NotFound, OutlastError, Unavailable
from outlast.outbound import ForwardProxy, Gate, open_proxy
from outlast.resources.objects.port import ObjectInfo
from outlast.resources.objects.s3 import (
    DEFAULT_REGION,
    Bucket,
    BucketFailed,
    KeysRefused,
    as_info,
    failures,
    open_bucket,
    read_object,
    split_url,
)

_LIST_BATCH: Final = 1000
_NOWHERE: Final = "outlast-looks-whether-its-keys-fit"
_REFUSED: Final = "there is no such bucket, or it refuses these keys"
_AMAZON: Final = "https://{bucket}.s3.{region}.amazonaws.com"


class ForeignStore:
    """A bucket of a caller, below its prefix: an ObjectSource."""

    def __init__(self, store: S3Store, proxy: ForwardProxy) -> None:
        self._store = store
        self._proxy = proxy

    async def list(self, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """The objects whose keys begin with a prefix of whole names.

        Raises NotFound, Invalid for keys that are refused, OutboundRefused, Unavailable.
        """
        try:
            with failures(prefix):
                async for batch in obstore.list(self._store, prefix, chunk_size=_LIST_BATCH):
                    for meta in batch:
                        yield as_info(meta)
        except BucketFailed as error:
            raise await self._explain(error) from error

    async def read(self, key: str, etag: str | None = None) -> AsyncIterator[bytes]:
        """See ObjectSource. Raises as `list` does."""
        try:
            async for chunk in read_object(self._store, key, etag):
                yield chunk
        except BucketFailed as error:
            raise await self._explain(error) from error

    async def _explain(self, error: BucketFailed) -> OutlastError:
        """Why it failed: the gate, the keys (a list that failed does not tell), or the store."""
        if self._proxy.refused is not None:
            return self._proxy.refused
        try:
            with failures(_NOWHERE):
                await obstore.head_async(self._store, _NOWHERE)
        except KeysRefused:
            return Invalid(_REFUSED)
        except NotFound:
            return NotFound(f"the bucket is not there, or cannot be listed: {error.reason}")
        except BucketFailed:
            pass
        return Unavailable(f"the bucket fails: {error.reason}")


@asynccontextmanager
async def open_foreign_store(
    url: str,
    *,
    gate: Gate,
    endpoint: str | None = None,
    region: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
) -> AsyncIterator[ForeignStore]:
    """The bucket s3://BUCKET/PREFIX at an endpoint, or at AWS; without keys it must be public.

    Raises Invalid for what is no bucket, OutboundRefused, Unavailable.
    """
    # The client takes what it finds there over what it is told, and would send it to the caller's
    # endpoint: the operator's session token for one.
    if any(name.upper().startswith("AWS_") for name in os.environ):
        raise Unavailable("buckets of callers are not opened beside AWS_* variables")
    if (access_key is None) != (secret_key is None):
        raise Invalid("an access key and a secret key belong together")
    bucket = Bucket(
        url=url, endpoint=endpoint, region=region, access_key=access_key, secret_key=secret_key
    )
    try:
        name, _ = split_url(url)
    except ValueError as error:
        raise Invalid(str(error)) from error
    address = endpoint or _AMAZON.format(bucket=name, region=region or DEFAULT_REGION)
    await gate.find_addresses(gate.check(address))
    async with open_proxy(gate) as proxy:
        try:
            store = open_bucket(bucket, proxy_url=proxy.url, skip_signature=access_key is None)
        except ValueError as error:
            raise Invalid(str(error)) from error
        yield ForeignStore(store, proxy)
