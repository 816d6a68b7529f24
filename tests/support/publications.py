"""What an attempt asks to have published, in tests."""

import msgspec

from outlast.resources.publication import Publication


def publication(wish, workdir, operation_id, *, tenant="default", created_by="ann", project=None):
    """A wish, or bytes in its place, as a publisher is given it."""
    return Publication(
        tenant=tenant,
        operation_id=operation_id,
        created_by=created_by,
        project=project,
        document=wish if isinstance(wish, bytes) else msgspec.json.encode(wish),
        workdir=workdir,
    )
