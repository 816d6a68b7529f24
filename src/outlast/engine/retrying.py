"""A new operation like one that has ended without success."""

from collections.abc import Sequence
from typing import Final

from outlast.engine.wishes import Wish
from outlast.operations import ids
from outlast.operations.errors import IllegalTransition
from outlast.operations.kind import CatalogWrite
from outlast.operations.model import Operation
from outlast.operations.states import State
from outlast.store.port import CatalogStore

SECRET: Final = "secret"  # noqa: S105  a type of resource
"""The type of resource that holds a sealed secret; each belongs to one operation."""

_SECRETS_MAX: Final = 500


def retry_of(
    old: Operation,
    secrets: Sequence[CatalogWrite],
    *,
    idempotency_key: str | None,
    request_id: str | None,
) -> Wish:
    """The wish for a retry, which starts from the last checkpoint. Raises IllegalTransition."""
    if old.state not in {State.FAILED, State.CANCELLED}:
        raise IllegalTransition(f"an operation that is {old.state} cannot be retried")
    return Wish(
        kind=old.kind,
        spec=old.spec,
        labels=old.labels,
        priority=old.priority,
        resource_type=old.resource_type,
        resource_id=old.resource_id,
        project=old.project,
        project_version=old.project_version,
        idempotency_key=idempotency_key,
        request_id=request_id,
        traceparent=old.traceparent,
        parent_id=old.id,
        checkpoint=old.checkpoint,
        writes=secrets,
    )


async def copy_secrets(catalog: CatalogStore, old: Operation, now: int) -> list[CatalogWrite]:
    """Writes that give a retry copies of the secrets: its parent may be deleted before it runs."""
    secrets = await catalog.find(
        old.tenant, SECRET, fields={"operation_id": old.id}, limit=_SECRETS_MAX
    )
    return [
        CatalogWrite(
            type=SECRET,
            id=ids.make_id(now, ids.random_bits()),
            document=secret.document,
            fields={"reference": secret.fields["reference"]},
            is_owned=True,
        )
        for secret in secrets
    ]
