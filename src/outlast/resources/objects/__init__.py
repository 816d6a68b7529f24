"""Where bytes live: objects under keys, never in the database."""

from outlast.resources.objects.foreign import ForeignStore, open_foreign_store
from outlast.resources.objects.local import LocalObjects
from outlast.resources.objects.port import CHUNK_BYTES, ObjectInfo, ObjectStore, check_key
from outlast.resources.objects.s3 import Bucket, S3Objects

__all__ = [
    "CHUNK_BYTES",
    "Bucket",
    "ForeignStore",
    "LocalObjects",
    "ObjectInfo",
    "ObjectStore",
    "S3Objects",
    "check_key",
    "open_foreign_store",
]
