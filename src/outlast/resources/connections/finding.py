"""Finding connections, telling whether they work, and what a program reaches them by."""

from collections.abc import Mapping
from typing import Final

import msgspec

from outlast.operations import ids
from outlast.operations.errors import Conflict, Unavailable
from outlast.operations.kind import Catalog, Resource
from outlast.resources.connections import model
from outlast.resources.connections.model import (
    PROVIDERS,
    Connection,
    ConnectionDocument,
    Status,
    connection_document,
)
from outlast.resources.owning import stand_of

_LOOKS: Final = 5
_STATUSES: Final[Mapping[str, Status]] = {
    "settled": "ready",
    "under_way": "validating",
    "over": "failed",
}


class FoundConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection as the catalog has it, and whether it works."""

    resource: Resource
    document: ConnectionDocument
    status: Status

    @property
    def id(self) -> str:
        """Its id."""
        return self.resource.id

    @property
    def owner(self) -> str:
        """The operation that was asked last to look whether it works."""
        return self.resource.fields.get(model.OWNER, "")

    @property
    def secrets(self) -> Mapping[str, str]:
        """Its secrets by name: the reference to each, for a Prepared."""
        return {name: model.secret_reference(self.id, name) for name in self.document.secret_names}

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that a program reaches the provider by: the reference to the secret in each."""
        variables = PROVIDERS[self.document.provider].variables
        secrets = self.secrets
        return {name: secrets[of] for name, of in variables.items() if of in secrets}

    @property
    def plain(self) -> Mapping[str, str]:
        """The other variables, and their values."""
        variables = PROVIDERS[self.document.provider].variables
        values = dict(self.document.settings)
        if self.document.region is not None:
            values["region"] = self.document.region
        return {name: values[of] for name, of in variables.items() if of in values}


async def find_connection(catalog: Catalog, ref: str) -> FoundConnection:
    """The connection with this id or name that works. Raises NotFound, Conflict."""
    found = await find_any(catalog, ref)
    if found.status != "ready":
        raise Conflict(
            f"the connection {found.resource.name!r} is {found.status}",
            details={"status": found.status, "operation_id": found.owner},
        )
    return found


async def find_any(catalog: Catalog, ref: str) -> FoundConnection:
    """The connection with this id or name, whether it works or not. Raises NotFound."""
    resource = await catalog.get(model.CONNECTION, ids.decode_any(ref) or ref)
    if resource is None:
        raise model.no_connection(ref)
    return await look_at(catalog, resource)


async def look_at(catalog: Catalog, resource: Resource) -> FoundConnection:
    """A connection that was read, and whether it works."""
    for _ in range(_LOOKS):
        document = connection_document(resource)
        stand = await stand_of(catalog, resource, document.operation_id)
        if stand != "changed":
            return FoundConnection(resource=resource, document=document, status=_STATUSES[stand])
        found = await catalog.get(model.CONNECTION, resource.id)
        if found is None:
            raise model.no_connection(resource.id)
        resource = found
    raise Unavailable(f"the connection {resource.name!r} changes too fast to be looked at")


def show_connection(found: FoundConnection) -> Connection:
    """A connection as callers see it."""
    resource, document = found.resource, found.document
    return Connection(
        id=resource.id,
        name=resource.name,
        provider=document.provider,
        region=document.region,
        settings=document.settings,
        secret_names=document.secret_names,
        status=found.status,
        identity=document.identity,
        validated_at=document.validated_at,
        created_at=resource.created_at,
        created_by=document.created_by,
        updated_at=resource.updated_at,
        operation_id=found.owner,
    )
