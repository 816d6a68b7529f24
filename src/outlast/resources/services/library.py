"""What callers do with services: find them, and ask them how they are.

Their commands are run by operations of the kind `service_command`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import Preparer, TenantCatalog
from outlast.operations import documents
from outlast.operations.errors import Invalid, Unavailable
from outlast.operations.kind import Kind, Resource
from outlast.operations.service import STATUS_CHARS_MAX, status_kind_name
from outlast.resources.services.model import SERVICE, find_service, service_document
from outlast.store.port import CatalogStore

_SERVICES_MAX: Final = 500
_STATUS_SECONDS: Final = 2.0


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command of a service: which kind runs it."""

    name: str
    kind: str


class FoundService(msgspec.Struct, frozen=True, kw_only=True):
    """A service as callers see it."""

    id: str
    name: str
    description: str
    commands: Sequence[Command]


class Services:
    """The services of this installation, for every tenant. A `ref` is an id or a name."""

    def __init__(
        self, catalog: CatalogStore, kinds: Mapping[str, Kind], preparer: Preparer
    ) -> None:
        self._catalog = catalog
        self._kinds = kinds
        self._preparer = preparer

    async def find(self, principal: Principal) -> list[FoundService]:
        """All of them, by name."""
        principal.require(Verb.READ)
        found = await self._catalog.find(principal.tenant, SERVICE, limit=_SERVICES_MAX)
        return sorted((_as_service(one) for one in found), key=lambda one: one.name)

    async def get(self, principal: Principal, ref: str) -> FoundService:
        """One service. Raises NotFound."""
        principal.require(Verb.READ)
        return _as_service(await find_service(self._of(principal), ref))

    async def status(self, principal: Principal, ref: str) -> dict[str, Any] | None:
        """What a service says of itself, at present; None if it says nothing.

        Raises NotFound; Unavailable for one that takes too long, fails, or says too much.
        """
        principal.require(Verb.READ)
        catalog = self._of(principal)
        found = await find_service(catalog, ref)
        if not service_document(found).has_status:
            return None
        kind = self._kinds[status_kind_name(found.name)]
        try:
            async with asyncio.timeout(_STATUS_SECONDS):
                prepared = await self._preparer.prepare(kind, b"{}", catalog)
        except TimeoutError:
            raise Unavailable(f"the service {found.name} takes too long to tell") from None
        try:
            text = documents.check(prepared.plan, 4 * STATUS_CHARS_MAX, "the status").decode()
            status: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        except (Invalid, msgspec.ValidationError) as error:
            raise Unavailable(f"the service {found.name}: {error}") from error
        if len(text) > STATUS_CHARS_MAX:
            raise Unavailable(
                f"the service {found.name} says {len(text)} characters; at most"
                f" {STATUS_CHARS_MAX} are shown"
            )
        return status

    def _of(self, principal: Principal) -> TenantCatalog:
        return TenantCatalog(self._catalog, principal.tenant)


def _as_service(resource: Resource) -> FoundService:
    document = service_document(resource)
    commands = [Command(name=name, kind=document.commands[name]) for name in document.commands]
    return FoundService(
        id=resource.id,
        name=resource.name,
        description=document.description,
        commands=sorted(commands, key=lambda one: one.name),
    )
