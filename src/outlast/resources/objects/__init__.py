"""Where bytes live: objects under keys, never in the database."""

from outlast.resources.objects.local import LocalObjects
from outlast.resources.objects.port import CHUNK_BYTES, ObjectInfo, ObjectStore, check_key

__all__ = ["CHUNK_BYTES", "LocalObjects", "ObjectInfo", "ObjectStore", "check_key"]
