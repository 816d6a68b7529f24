"""Modules of the settings, and stacks and connections as operations leave them."""

import asyncio

import msgspec

from outlast.operations import ids
from outlast.operations.kind import CatalogWrite
from outlast.resources.connections.model import CONNECTION, ConnectionDocument
from outlast.resources.stacks.model import (
    STACK,
    ModulePin,
    Output,
    StackDocument,
    catalog_name,
    fields_of,
)
from outlast.resources.stacks.modules import ModuleDocument, Variable


def module(name, word, *variables):
    return ModuleDocument(
        word=word,
        description=f"A {word}.",
        pin=ModulePin(name=name, key=f"modules/{name}"),
        variables=tuple(
            Variable(name=one.rstrip("!"), is_required=one.endswith("!")) for one in variables
        ),
    )


MODULES = {
    one.pin.name: one
    for one in (
        module("shop", "stack", "size", "password"),
        module("vpc", "network", "name!", "region", "cidr!", "password"),
        module("kube", "cluster", "name!", "region", "network_id", "network_outputs", "nodes"),
    )
}
"""A module of each word; those that must be given are marked."""

VARIABLES = {
    "stack": {"size": 3},
    "network": {"name": "main", "region": "eu-north-1", "cidr": "10.0.0.0/16"},
    "cluster": {"name": "prod", "network_id": "06A1B2C3D4E5F6G7H8J9", "nodes": 2},
}


async def keep_stack(store, word="network", name="main", made_by="", tenant="default", **fields):
    """A stack that is there; the operation that made it has this id."""
    document = StackDocument(
        **{
            "word": word,
            "module": ModulePin(name="vpc", key="modules/vpc"),
            "created_by": "ada",
            "operation_id": made_by,
            "outputs": {
                "vpc_id": Output(value="vpc-1"),
                "subnets": Output(value=["10.0.0.0/24"]),
                "key": Output(is_sensitive=True),
            },
        }
        | fields
    )
    # Of two ids from one millisecond either may be the greater.
    await asyncio.sleep(0.002)
    id = ids.make_id(store.operations.now(), ids.random_bits())
    write = CatalogWrite(
        type=STACK,
        id=id,
        name=catalog_name(word, name),
        document=msgspec.json.encode(document),
        fields={**fields_of(document), "operation_id": made_by},
    )
    await store.catalog.write(tenant, [write])
    return id


async def keep_connection(store, name="aws", made_by="", tenant="default", **fields):
    """A connection that works; the operation that looked has this id."""
    document = ConnectionDocument(
        **{
            "provider": "aws",
            "region": "eu-north-1",
            "settings": {"endpoint": "https://sts.example.com"},
            "secret_names": ("access_key", "secret_key"),
            "identity": {"account": "123456789012", "arn": "arn:aws:iam::123456789012:user/ada"},
            "created_by": "ada",
            "operation_id": made_by,
        }
        | fields
    )
    # Of two ids from one millisecond either may be the greater.
    await asyncio.sleep(0.002)
    id = ids.make_id(store.operations.now(), ids.random_bits())
    write = CatalogWrite(
        type=CONNECTION,
        id=id,
        name=name,
        document=msgspec.json.encode(document),
        fields={"provider": document.provider, "operation_id": made_by},
    )
    await store.catalog.write(tenant, [write])
    return id
