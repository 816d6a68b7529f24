"""What a schedule makes: the wish for its operation, and in whose name it is made."""

import msgspec

from outlast.engine.access import Principal
from outlast.engine.wishes import Wish
from outlast.operations import documents
from outlast.operations.kind import CatalogWrite, Resource
from outlast.operations.model import Operation
from outlast.operations.schedules import LABEL, ScheduleDocument, schedule_write
from outlast.store.port import Store


def wish_of(resource: Resource, document: ScheduleDocument, due_at: int | None) -> Wish:
    """The wish for a schedule's operation, which is called `document.operation_id`.

    With it the document is stored, and `due_at`, unless the schedule has changed in the meantime.
    """
    return msgspec.structs.replace(
        plain_wish(resource.id, document),
        operation_id=document.operation_id,
        writes=(rewrite_of(resource, document, due_at),),
    )


def rewrite_of(resource: Resource, document: ScheduleDocument, due_at: int | None) -> CatalogWrite:
    """The write that stores a schedule anew, unless it has changed in the meantime."""
    return schedule_write(
        resource.id, document, due_at, name=resource.name, expected_revision=resource.revision
    )


async def last_alive(store: Store, tenant: str, document: ScheduleDocument) -> Operation | None:
    """The operation that the schedule made last, unless it has ended or is no more."""
    if document.operation_id is None:
        return None
    [last] = await store.operations.get(tenant, [document.operation_id])
    return last if last is not None and not last.state.is_terminal else None


def plain_wish(schedule_id: str, document: ScheduleDocument) -> Wish:
    """The wish for a schedule's operation, alone."""
    return Wish(
        kind=document.kind,
        spec=documents.encode(document.spec),
        labels={**document.labels, LABEL: schedule_id},
        priority=document.priority,
        deadline_seconds=document.deadline_seconds,
        resource_type=document.resource_type,
        resource_id=document.resource_id,
        project=document.project,
    )


def authority(principal: Principal) -> dict[str, str]:
    """In whose name the operations are made."""
    return {
        "created_by": principal.member,
        "role": str(principal.role),
        "token_id": principal.token_id,
    }
