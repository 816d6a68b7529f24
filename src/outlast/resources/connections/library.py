"""What callers do with connections: make, change, look at, delete.

Whatever is made or changed is looked at by an operation, which is created with it. Changing what
another member made is for operators.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from outlast.engine import Engine
from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.engine.wishes import Wish
from outlast.operations import documents, ids
from outlast.operations.errors import Conflict, InvalidSpec, ResourceInUse, RevisionMismatch
from outlast.operations.kind import CatalogWrite
from outlast.resources.connections import model
from outlast.resources.connections.finding import find_any, look_at, show_connection
from outlast.resources.connections.keeping import open_secrets, seal_secrets
from outlast.resources.connections.model import Connection, ConnectionDocument
from outlast.resources.keyring import Keyring
from outlast.store.port import AuditEntry

PAGE_MAX: Final = 1000
_STACK: Final = "stack"
_SECRET_CHARS_MAX: Final = 16 * 1024


class ConnectionChange(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be different. None: as it is. A secret that is None is taken away."""

    region: str | None = None
    settings: Mapping[str, str] | None = None
    secrets: Mapping[str, str | None] = {}


class Connections:
    """The connections of all tenants; every call is scoped by its principal.

    A `ref` is an id in any of its forms, or a name. What is not the principal's is NotFound.
    """

    def __init__(self, engine: Engine, keyring: Keyring) -> None:
        self._engine = engine
        self._catalog = engine.store.catalog
        self._keyring = keyring

    async def find(
        self, principal: Principal, *, before_id: str | None = None, limit: int = 50
    ) -> list[Connection]:
        """At most `limit` (1 to 1,000) connections, newest first, with ids below `before_id`."""
        principal.require(Verb.READ)
        if not 1 <= limit <= PAGE_MAX:
            raise InvalidSpec(f"limit must be from 1 to {PAGE_MAX}")
        found = await self._catalog.find(
            principal.tenant, model.CONNECTION, before_id=before_id, limit=limit
        )
        catalog = TenantCatalog(self._catalog, principal.tenant)
        return [show_connection(await look_at(catalog, one)) for one in found]

    async def get(self, principal: Principal, ref: str) -> Connection:
        """One connection. Raises NotFound."""
        principal.require(Verb.READ)
        catalog = TenantCatalog(self._catalog, principal.tenant)
        return show_connection(await find_any(catalog, ref))

    async def create(
        self,
        principal: Principal,
        name: str,
        provider: str,
        *,
        region: str | None = None,
        settings: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        request_id: str | None = None,
    ) -> Connection:
        """A new connection, with the operation that looks whether it works.

        Raises InvalidSpec, ResourceExists.
        """
        principal.require(Verb.SUBMIT)
        document = ConnectionDocument(
            provider=provider,
            region=region,
            settings=settings or {},
            secret_names=tuple(sorted(secrets or {})),
            created_by=principal.member,
        )
        id = ids.make_id(self._engine.store.operations.now(), ids.random_bits())
        write = model.write_connection(id, model.check_name(name), document, 0)
        return await self._look(principal, write, document, secrets or {}, request_id)

    async def update(
        self,
        principal: Principal,
        ref: str,
        change: ConnectionChange,
        *,
        request_id: str | None = None,
    ) -> Connection:
        """A changed connection, with the operation that looks whether it still works.

        Raises NotFound, Forbidden, InvalidSpec; RevisionMismatch if it is changed meanwhile.
        """
        principal.require(Verb.SUBMIT)
        found = await find_any(TenantCatalog(self._catalog, principal.tenant), ref)
        principal.require_over(found.document.created_by)
        secrets = await self._secrets(principal.tenant, found.id, found.document)
        for name, value in change.secrets.items():
            secrets.pop(name, None)
            if value is not None:
                secrets[name] = value
        if change.settings not in (None, found.document.settings) and any(
            name not in change.secrets for name in secrets
        ):
            # Else they would be shown to whatever the new settings lead to.
            raise model.invalid("secrets", "with other settings all of them are given again")
        given = {"region": change.region, "settings": change.settings}
        document = msgspec.structs.replace(
            found.document,
            secret_names=tuple(sorted(secrets)),
            operation_id=None,
            validated_at=None,
            identity={},
            **{name: value for name, value in given.items() if value is not None},
        )
        write = model.write_connection(
            found.id, found.resource.name, document, found.resource.revision
        )
        return await self._look(principal, write, document, secrets, request_id)

    async def validate(
        self, principal: Principal, ref: str, *, request_id: str | None = None
    ) -> Connection:
        """The connection, with a new operation that looks whether it works. Raises NotFound."""
        principal.require(Verb.SUBMIT)
        found = await find_any(TenantCatalog(self._catalog, principal.tenant), ref)
        spec = documents.encode({"connection": found.id})
        await self._engine.submit(
            principal, Wish(kind=_validator(found.document), spec=spec, request_id=request_id)
        )
        return await self.get(principal, found.id)

    async def delete(
        self, principal: Principal, ref: str, *, request_id: str | None = None
    ) -> None:
        """Delete a connection with its secrets.

        Raises NotFound, Forbidden; ResourceInUse while a stack names it; Conflict while an
        operation looks at it.
        """
        principal.require(Verb.SUBMIT)
        found = await find_any(TenantCatalog(self._catalog, principal.tenant), ref)
        principal.require_over(found.document.created_by)
        name = found.resource.name
        if found.status == "validating":
            raise Conflict(
                f"the connection {name!r} is being looked at: cancel the operation {found.owner}",
                details={"status": found.status, "operation_id": found.owner},
            )
        stacks = await self._catalog.find(
            principal.tenant, _STACK, fields={model.CONNECTION: found.id}, limit=1
        )
        if stacks:
            raise ResourceInUse(f"the connection {name!r} is used by {stacks[0].name}")
        writes = [
            CatalogWrite(
                type=model.CONNECTION, id=found.id, expected_revision=found.resource.revision
            ),
            CatalogWrite(type=model.CONNECTION_SECRET, id=found.id),
        ]
        audit = AuditEntry(
            actor=principal.member,
            action="connection.delete",
            target=found.id,
            request_id=request_id,
        )
        try:
            await self._catalog.write(principal.tenant, writes, audit)
        except RevisionMismatch:
            raise Conflict(f"the connection {name!r} has changed meanwhile") from None

    async def _look(
        self,
        principal: Principal,
        write: CatalogWrite,
        document: ConnectionDocument,
        secrets: Mapping[str, str],
        request_id: str | None,
    ) -> Connection:
        """Store a connection with the operation that looks whether it works."""
        model.check_connection(document)
        for name, value in secrets.items():
            if not 1 <= len(value) <= _SECRET_CHARS_MAX:
                raise model.invalid(
                    f"secrets.{name}", f"it has 1 to {_SECRET_CHARS_MAX} characters"
                )
        sealed = seal_secrets(self._keyring, principal.tenant, write.id, secrets)
        wish = Wish(
            kind=_validator(document),
            spec=documents.encode({"connection": write.id}),
            request_id=request_id,
            writes=[write, sealed],
        )
        await self._engine.submit(principal, wish)
        return await self.get(principal, write.id)

    async def _secrets(self, tenant: str, id: str, document: ConnectionDocument) -> dict[str, str]:
        if not document.secret_names:
            return {}
        kept = await self._catalog.read(tenant, model.CONNECTION_SECRET, id)
        return open_secrets(self._keyring, kept, tenant, id)


def _validator(document: ConnectionDocument) -> str:
    return model.PROVIDERS[document.provider].validated_by
