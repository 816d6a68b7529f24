"""Things that callers make, change and remove at once, each a document of the catalog.

Who may submit makes them. Changing or removing what another member made is for operators.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.operations import documents, ids
from outlast.operations.errors import NotFound, RevisionMismatch
from outlast.operations.kind import Catalog, CatalogWrite, Resource
from outlast.store.port import AuditEntry, CatalogStore

PAGE_MAX: Final = 1000
_REF_CHARS_SHOWN: Final = 130
_CHANGE_TRIES: Final = 5


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """A document that knows which member made it, and which one changed it last."""

    created_by: str = ""
    updated_by: str = ""


D = TypeVar("D", bound=Owned)


class Kept(msgspec.Struct, Generic[D], frozen=True, kw_only=True):
    """A document as the catalog keeps it."""

    id: str
    document: D
    revision: int
    created_at: int
    updated_at: int


@dataclass(frozen=True, kw_only=True)
class Label(Generic[D]):
    """What stands on a shelf: its type in the catalog, what callers call one, and its document.

    `fields` are what lists can filter by.
    """

    catalog_type: str
    word: str
    document: type[D]
    fields: Callable[[D], Mapping[str, str | None]]

    def read(self, resource: Resource) -> Kept[D]:
        """The thing of a resource."""
        return Kept(
            id=resource.id,
            document=msgspec.json.decode(resource.document, type=self.document),
            revision=resource.revision,
            created_at=resource.created_at,
            updated_at=resource.updated_at,
        )

    def write(self, id: str, document: D, expected_revision: int) -> CatalogWrite:
        """The write of a thing."""
        fields = {name: value for name, value in self.fields(document).items() if value is not None}
        return CatalogWrite(
            type=self.catalog_type,
            id=id,
            document=documents.encode(document),
            fields=fields,
            expected_revision=expected_revision,
        )

    def missing(self, ref: str) -> NotFound:
        """There is no such thing."""
        return NotFound(f"there is no {self.word} {ref[:_REF_CHARS_SHOWN]!r}")

    async def find_one(self, catalog: Catalog, ref: str) -> Kept[D]:
        """The thing with this id in any of its forms. Raises NotFound."""
        id = ids.decode_any(ref)
        resource = None if id is None else await catalog.get(self.catalog_type, id)
        if resource is None or resource.id != id:
            raise self.missing(ref)
        return self.read(resource)


class Shelf(Generic[D]):
    """The things of one type, of all tenants; every call is scoped by its principal.

    A `ref` is an id in any of its forms. What is not the principal's is NotFound.
    """

    def __init__(self, catalog: CatalogStore, label: Label[D], now: Callable[[], int]) -> None:
        self._catalog = catalog
        self._label = label
        self._now = now

    async def create(
        self, principal: Principal, document: D, *, request_id: str | None = None
    ) -> Kept[D]:
        """Keep a new document, as the principal's own."""
        principal.require(Verb.SUBMIT)
        member = principal.member
        document = replace(document, created_by=member, updated_by=member)
        write = self._label.write(ids.make_id(self._now(), ids.random_bits()), document, 0)
        audit = self._audit(principal, "create", write.id, request_id)
        [kept] = await self._catalog.write(principal.tenant, [write], audit)
        return self._label.read(kept)

    async def get(self, principal: Principal, ref: str) -> Kept[D]:
        """One thing. Raises NotFound."""
        principal.require(Verb.READ)
        return await self._label.find_one(TenantCatalog(self._catalog, principal.tenant), ref)

    async def find(
        self,
        principal: Principal,
        *,
        before_id: str | None = None,
        limit: int = PAGE_MAX,
        **fields: str | None,
    ) -> list[Kept[D]]:
        """At most `limit` (1 to 1,000) things with ids below `before_id`, newest first."""
        principal.require(Verb.READ)
        found = await self._catalog.find(
            principal.tenant,
            self._label.catalog_type,
            fields={name: value for name, value in fields.items() if value is not None},
            before_id=before_id,
            limit=min(limit, PAGE_MAX),
        )
        return [self._label.read(one) for one in found]

    async def change(
        self,
        principal: Principal,
        ref: str,
        change: Callable[[D], D],
        *,
        request_id: str | None = None,
        is_for_all: bool = False,
    ) -> Kept[D]:
        """Replace a document by what `change` makes of it. Raises NotFound, Forbidden.

        `is_for_all`: whoever may submit may make this change.
        """
        principal.require(Verb.SUBMIT)
        for _ in range(_CHANGE_TRIES):
            found = await self.get(principal, ref)
            if not is_for_all:
                principal.require_over(found.document.created_by)
            document = replace(change(found.document), updated_by=principal.member)
            write = self._label.write(found.id, document, found.revision)
            audit = self._audit(principal, "change", found.id, request_id)
            try:
                [kept] = await self._catalog.write(principal.tenant, [write], audit)
            except RevisionMismatch:
                continue
            return self._label.read(kept)
        raise RevisionMismatch

    async def delete(
        self, principal: Principal, ref: str, *, request_id: str | None = None
    ) -> None:
        """Remove a thing. Raises NotFound, Forbidden."""
        principal.require(Verb.SUBMIT)
        found = await self.get(principal, ref)
        principal.require_over(found.document.created_by)
        audit = self._audit(principal, "delete", found.id, request_id)
        await self._catalog.write(
            principal.tenant, [CatalogWrite(type=self._label.catalog_type, id=found.id)], audit
        )

    def _audit(
        self, principal: Principal, deed: str, id: str, request_id: str | None
    ) -> AuditEntry:
        return AuditEntry(
            actor=principal.member,
            action=f"{self._label.catalog_type}.{deed}",
            target=id,
            request_id=request_id,
        )
