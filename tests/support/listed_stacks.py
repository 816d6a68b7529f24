"""Stacks and modules that are there without having been made."""

import asyncio

import msgspec

from outlast.operations import documents, ids
from outlast.operations.kind import CatalogWrite, Resource
from outlast.resources.configured import INSTALLATION, MODULE, InfrastructureDocument
from outlast.resources.stacks import model
from outlast.resources.stacks.model import ModulePin, StackDocument
from outlast.resources.stacks.modules import ModuleDocument, Variable

MAKER = "06EV0000000000000MKR"
"""The operation that has made them all."""

PIN = ModulePin(name="web", key="modules/" + "a" * 64)
VARIABLES = (
    Variable(name="root", type="string", is_required=True),
    Variable(name="nodes", type="number"),
    Variable(name="password", type="string", is_sensitive=True),
)


def stack_document(**fields):
    return msgspec.structs.replace(
        StackDocument(
            word="stack",
            module=PIN,
            variables={"root": "/srv"},
            created_by="ada",
            operation_id=MAKER,
        ),
        **fields,
    )


async def keep_stack(store, name, owner=MAKER, *, tenant="default", **fields):
    """Put a stack into the catalog, one that `owner` has made or is about to make; its id."""
    # Of two ids from one millisecond either may be the greater.
    await asyncio.sleep(0.002)
    id = ids.make_id(store.operations.now(), ids.random_bits())
    document = stack_document(**fields)
    write = CatalogWrite(
        type=model.STACK,
        id=id,
        name=model.catalog_name(document.word, name),
        document=documents.encode(document),
        fields={model.OWNER: owner, **model.fields_of(document)},
    )
    await store.catalog.write(tenant, [write])
    return id


def listed(type, id, name, document, **fields):
    """A resource as a catalog has it."""
    return Resource(
        tenant="default",
        type=type,
        id=id,
        name=name,
        document=documents.encode(document),
        revision=1,
        created_at=0,
        updated_at=0,
        fields=fields,
    )


def listed_module(pin=PIN, *, word="stack", variables=VARIABLES):
    document = ModuleDocument(word=word, description="", pin=pin, variables=variables)
    return listed(MODULE, pin.name, pin.name, document)


def listed_stack(id, name, **fields):
    document = stack_document(**fields)
    known_as = model.catalog_name(document.word, name)
    told = model.fields_of(document) | {model.OWNER: MAKER}
    return listed(model.STACK, id, known_as, document, **told)


def listed_installation(**infrastructure):
    document = {
        "outbound_allow": [],
        "allow_unsandboxed": False,
        "infrastructure": InfrastructureDocument(**infrastructure),
    }
    return listed(INSTALLATION, INSTALLATION, INSTALLATION, document)
