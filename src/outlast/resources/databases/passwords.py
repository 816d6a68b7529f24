"""The passwords of PostgreSQL databases: sealed in the catalog, opened for who may see them."""

import msgspec

from outlast.operations.errors import SecretMissing
from outlast.operations.kind import CatalogWrite, Resource
from outlast.resources.databases import model
from outlast.resources.keyring import Keyring, Sealed


def seal_password(keyring: Keyring, tenant: str, id: str, password: str) -> CatalogWrite:
    """The write that keeps the password of a database's role."""
    sealed = keyring.seal(password.encode(), about_password(tenant, id))
    return CatalogWrite(type=model.PASSWORD, id=id, document=msgspec.json.encode(sealed))


def open_password(keyring: Keyring, kept: Resource | None, tenant: str, id: str) -> str:
    """The password. Raises SecretMissing."""
    if kept is None:
        raise SecretMissing(f"the password of database {id} is not there")
    sealed = msgspec.json.decode(kept.document, type=Sealed)
    return keyring.open(sealed, about_password(tenant, id)).decode()


def about_password(tenant: str, id: str) -> bytes:
    """What a password is about."""
    return f"{tenant}/{model.DATABASE}/{id}".encode()
