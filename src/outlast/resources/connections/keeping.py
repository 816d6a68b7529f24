"""The secrets of connections: sealed in the catalog, opened for the attempts that need them."""

from collections.abc import Mapping

import msgspec

from outlast.operations.errors import SecretMissing
from outlast.operations.kind import CatalogWrite, Resource
from outlast.resources.connections.model import CONNECTION, CONNECTION_SECRET
from outlast.resources.keyring import Keyring, Sealed


def seal_secrets(
    keyring: Keyring, tenant: str, id: str, secrets: Mapping[str, str]
) -> CatalogWrite:
    """The write that keeps the secrets of a connection, in place of those it had."""
    sealed = keyring.seal(msgspec.json.encode(secrets), about_secrets(tenant, id))
    return CatalogWrite(type=CONNECTION_SECRET, id=id, document=msgspec.json.encode(sealed))


def open_secrets(keyring: Keyring, kept: Resource | None, tenant: str, id: str) -> dict[str, str]:
    """The secrets of a connection by name. Raises SecretMissing."""
    if kept is None:
        raise SecretMissing(f"the secrets of connection {id[:80]} are not there")
    sealed = msgspec.json.decode(kept.document, type=Sealed)
    try:
        content = keyring.open(sealed, about_secrets(tenant, id))
    except SecretMissing as error:
        raise SecretMissing(f"connection:{id} cannot be opened: {error.message}") from error
    return msgspec.json.decode(content, type=dict[str, str])


def open_secret(keyring: Keyring, kept: Resource | None, tenant: str, reference: str) -> str:
    """What ID/NAME stands for. Raises SecretMissing."""
    id, _, name = reference.partition("/")
    found = open_secrets(keyring, kept, tenant, id).get(name)
    if found is None:
        raise SecretMissing(f"connection:{id} has no secret {name[:80]!r}", fault="user")
    return found


def about_secrets(tenant: str, id: str) -> bytes:
    """What the secrets of a connection are about."""
    return f"{tenant}/{CONNECTION}/{id}".encode()
