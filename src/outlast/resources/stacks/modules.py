"""Modules of the settings, as the catalog tells of them. Pure but for the looking up."""

from typing import Final

import msgspec

from outlast.operations.errors import NotFound
from outlast.operations.kind import Catalog
from outlast.resources.configured import MODULE
from outlast.resources.stacks.model import ModulePin, Word

MODULES_PREFIX: Final = "modules/"
MODULE_FILE: Final = "module.tar"


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """What a module wants to be told. `type` is as the module has it."""

    name: str
    type: str = ""
    description: str = ""
    is_required: bool = False
    is_sensitive: bool = False


class ModuleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog tells of a module of the settings."""

    word: Word
    description: str
    pin: ModulePin
    variables: tuple[Variable, ...]


async def find_module(catalog: Catalog, name: str) -> ModuleDocument:
    """The module of this name. Raises NotFound."""
    found = await catalog.get(MODULE, name)
    if found is None:
        raise NotFound(f"there is no module {name[:130]!r} in the settings")
    return msgspec.json.decode(found.document, type=ModuleDocument)


async def list_modules(catalog: Catalog) -> list[ModuleDocument]:
    """All modules, by name."""
    found = await catalog.find(MODULE, limit=500)
    documents = [msgspec.json.decode(one.document, type=ModuleDocument) for one in found]
    return sorted(documents, key=lambda one: one.pin.name)
