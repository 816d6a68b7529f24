"""What the catalog tells of a service."""

from collections.abc import Mapping
from typing import Final

import msgspec

from outlast.operations.errors import NotFound
from outlast.operations.kind import Catalog, Resource

SERVICE: Final = "service"
_REF_CHARS_SHOWN: Final = 130


class ServiceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A service as every tenant sees it. `commands` maps the names of its commands to kinds."""

    commands: Mapping[str, str]
    description: str
    has_status: bool


async def find_service(catalog: Catalog, ref: str) -> Resource:
    """The service with this id or name. Raises NotFound."""
    found = await catalog.get(SERVICE, ref.lower())
    if found is None:
        raise NotFound(f"there is no service {ref[:_REF_CHARS_SHOWN]!r}")
    return found


def service_document(resource: Resource) -> ServiceDocument:
    """What a service's resource says."""
    return msgspec.json.decode(resource.document, type=ServiceDocument)
