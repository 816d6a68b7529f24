"""What a wish to change a resource makes of what stands there: one rule for every adapter."""

from outlast.operations.errors import Invalid, ResourceExists, RevisionMismatch
from outlast.operations.kind import CatalogWrite, Resource


def decide_write(
    write: CatalogWrite,
    old: Resource | None,
    namesake: Resource | None,
    *,
    tenant: str,
    operation_id: str | None,
    now: int,
) -> Resource | None:
    """The resource as it shall be stored, or None if it shall be deleted.

    `old` is what has the wish's id, `namesake` what has its name; `operation_id` is whose it is if
    it is owned. Raises ResourceExists, RevisionMismatch, Invalid.
    """
    _check_revision(write, old)
    if write.document is None:
        return None
    if namesake is not None and namesake.id != write.id:
        raise ResourceExists(f"the {write.type} {write.name!r} exists already")
    return Resource(
        tenant=tenant,
        type=write.type,
        id=write.id,
        name=write.name,
        document=write.document,
        revision=1 if old is None else old.revision + 1,
        created_at=now if old is None else old.created_at,
        updated_at=now,
        fields=_fields(write, operation_id),
        due_at=write.due_at,
    )


def _check_revision(write: CatalogWrite, old: Resource | None) -> None:
    expected = write.expected_revision
    if expected is None:
        return
    if expected == 0 and old is not None:
        raise ResourceExists(f"the {write.type} {write.id} exists already")
    found = 0 if old is None else old.revision
    if found != expected:
        raise RevisionMismatch(
            f"the {write.type} {write.id} is at revision {found}, not at {expected}"
        )


def _fields(write: CatalogWrite, operation_id: str | None) -> dict[str, str]:
    if not write.is_owned:
        return dict(write.fields)
    if operation_id is None:
        raise Invalid(f"the {write.type} {write.id} cannot be owned: no operation is written")
    return {**write.fields, "operation_id": operation_id}
