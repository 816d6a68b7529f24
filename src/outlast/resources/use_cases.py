"""Use cases: what belongs together, such as datasets, vector databases and playgrounds.

Vector databases and playgrounds say which use case they belong to. What knows of none, a dataset or
a file, is linked by the use case itself.
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from outlast.engine.access import Principal
from outlast.operations.errors import InvalidSpec, NotFound
from outlast.resources.shelves import Kept, Label, Owned, Shelf
from outlast.store.port import Store

LINKS_MAX: Final = 1000
NAME_CHARS_MAX: Final = 100
DESCRIPTION_CHARS_MAX: Final = 5000
MEMBERS: Final = ("playground", "vector_database")
"""The types that say by a field `use_case` where they belong."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What a use case links."""

    type: str
    id: str
    created_at: int
    created_by: str


class UseCaseDocument(Owned, frozen=True, kw_only=True):
    """What the catalog keeps of a use case."""

    name: str
    description: str = ""
    links: tuple[Link, ...] = ()


USE_CASES: Final = Label(
    catalog_type="use_case", word="use case", document=UseCaseDocument, fields=lambda _: {}
)


class UseCases:
    """The use cases of all tenants; every call is scoped by its principal."""

    def __init__(self, store: Store) -> None:
        self._catalog = store.catalog
        self._now = store.operations.now
        self.shelf = Shelf(store.catalog, USE_CASES, self._now)

    async def create(
        self, principal: Principal, name: str, description: str, *, request_id: str | None = None
    ) -> Kept[UseCaseDocument]:
        """A new use case. Raises InvalidSpec."""
        document = UseCaseDocument(name=_name(name), description=_description(description))
        return await self.shelf.create(principal, document, request_id=request_id)

    async def change(
        self,
        principal: Principal,
        ref: str,
        *,
        name: str | None,
        description: str | None,
        request_id: str | None = None,
    ) -> Kept[UseCaseDocument]:
        """Give a use case another name or description. Raises NotFound, Forbidden, InvalidSpec."""
        changes = {} if name is None else {"name": _name(name)}
        if description is not None:
            changes["description"] = _description(description)
        return await self.shelf.change(
            principal, ref, lambda old: replace(old, **changes), request_id=request_id
        )

    async def link(
        self, principal: Principal, ref: str, type: str, id: str, *, request_id: str | None = None
    ) -> Link:
        """Link something that is there. To do it again changes nothing. Raises NotFound."""
        added = Link(type=type, id=id, created_at=self._now(), created_by=principal.member)

        def change(old: UseCaseDocument) -> UseCaseDocument:
            if _linked(old, type, id) is not None:
                return old
            if len(old.links) >= LINKS_MAX:
                raise InvalidSpec(f"a use case links at most {LINKS_MAX} things")
            return replace(old, links=(*old.links, added))

        changed = await self.shelf.change(
            principal, ref, change, request_id=request_id, is_for_all=True
        )
        return _linked(changed.document, type, id) or added

    async def unlink(
        self, principal: Principal, ref: str, type: str, id: str, *, request_id: str | None = None
    ) -> None:
        """Link something no more. Raises NotFound."""

        def change(old: UseCaseDocument) -> UseCaseDocument:
            if _linked(old, type, id) is None:
                raise NotFound(f"the use case does not link this {type}")
            kept = tuple(one for one in old.links if (one.type, one.id) != (type, id))
            return replace(old, links=kept)

        await self.shelf.change(principal, ref, change, request_id=request_id, is_for_all=True)

    async def counts(self, principal: Principal, found: Kept[UseCaseDocument]) -> dict[str, int]:
        """How many things of each type belong to a use case; at most LINKS_MAX are counted."""
        counts: dict[str, int] = {}
        for link in found.document.links:
            counts[link.type] = counts.get(link.type, 0) + 1
        for type in MEMBERS:
            counts[type] = await self._catalog.count(
                principal.tenant, type, fields={"use_case": found.id}, limit=LINKS_MAX
            )
        return counts


def _linked(document: UseCaseDocument, type: str, id: str) -> Link | None:
    for link in document.links:
        if (link.type, link.id) == (type, id):
            return link
    return None


def _name(name: str) -> str:
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable():
        reason = f"has 1 to {NAME_CHARS_MAX} printable characters"
        raise InvalidSpec(f"a use case's name {reason}", field_errors={"name": reason})
    return name


def _description(text: str) -> str:
    if len(text) > DESCRIPTION_CHARS_MAX:
        reason = f"has at most {DESCRIPTION_CHARS_MAX} characters"
        raise InvalidSpec(
            f"a use case's description {reason}", field_errors={"description": reason}
        )
    return text
