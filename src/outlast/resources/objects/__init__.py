"""Where bytes live: objects under keys, never in the database.

Buckets are in `s3` and `foreign`, which only those import who need their client: children of
attempts start without it.
"""

from outlast.resources.objects.local import LocalObjects
from outlast.resources.objects.port import CHUNK_BYTES, ObjectInfo, ObjectStore, check_key

__all__ = ["CHUNK_BYTES", "LocalObjects", "ObjectInfo", "ObjectStore", "check_key"]
