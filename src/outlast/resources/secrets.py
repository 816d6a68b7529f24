"""Secrets that callers entrust to an operation, and the keys of the backends.

A spec holds a reference only. A sealed secret belongs to one operation: the worker opens it for
that operation's attempts alone, and it goes when the operation goes. A retry has a copy of its own.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from outlast.engine.retrying import SECRET
from outlast.operations import ids
from outlast.operations.errors import SecretMissing, TooLarge
from outlast.operations.kind import CatalogWrite
from outlast.operations.model import Operation
from outlast.resources.connections.keeping import open_secret
from outlast.resources.connections.model import CONNECTION_SECRET
from outlast.resources.databases.model import PASSWORD
from outlast.resources.databases.passwords import open_password
from outlast.resources.keyring import Keyring, Sealed, stack_purpose
from outlast.resources.orphans import collect_orphans
from outlast.settings import Backend, Databases, ModuleSettings, ObjectStoreSettings
from outlast.store.port import AuditEntry, CatalogStore, OperationStore

SECRET_BYTES_MAX: Final = 16 * 1024
_AUDITED: Final = ("sealed:", "database:", "connection:")


class Secrets:
    """What seals secrets and finds them again.

    `environment` is where the keys of `backends` and `object_stores`, the URL of the server of
    `databases`, and what `modules` may see are looked for, by the names of their variables.
    """

    def __init__(
        self,
        catalog: CatalogStore,
        keyring: Keyring,
        *,
        backends: Mapping[str, Backend],
        object_stores: Mapping[str, ObjectStoreSettings] = MappingProxyType({}),
        databases: Databases = Databases(),  # noqa: B008  nobody changes it
        modules: Mapping[str, ModuleSettings] = MappingProxyType({}),
        environment: Mapping[str, str],
        now: Callable[[], int],
    ) -> None:
        self._catalog = catalog
        self._keyring = keyring
        self._backends = backends
        self._object_stores = object_stores
        self._databases = databases
        self._modules = modules
        self._environment = environment
        self._now = now

    def seal(self, tenant: str, text: str, *, call: str | None = None) -> tuple[str, CatalogWrite]:
        """A reference for the spec, and the write that must be made with the operation's creation.

        `call` is the idempotency key or the operation id that the caller chose: the same call gets
        the same reference, so that to send it again is to ask for the same. Raises TooLarge.
        """
        content = text.encode()
        if len(content) > SECRET_BYTES_MAX:
            raise TooLarge(f"a secret has at most {SECRET_BYTES_MAX} bytes")
        if call is None:
            name = ids.make_id(self._now(), ids.random_bits())
        else:
            name = self._keyring.digest(msgspec.json.encode((tenant, call, text)))
        sealed = self._keyring.seal(content, _about(tenant, name))
        write = CatalogWrite(
            type=SECRET,
            id=name,
            document=msgspec.json.encode(sealed),
            fields={"reference": name},
            is_owned=True,
        )
        return f"sealed:{name}", write

    async def resolve(
        self, operation: Operation, references: Mapping[str, str]
    ) -> Mapping[str, str]:
        """The secrets by the same names, for an attempt. Raises SecretMissing, naming what lacks.

        That a sealed secret, or one of a database or a connection, is read stands in the audit log
        before anybody has it.
        """
        sealed = {name: ref for name, ref in references.items() if ref.startswith(_AUDITED)}
        if sealed:
            actor = "worker" if operation.lease is None else operation.lease.worker
            audit = AuditEntry(
                actor=actor, action="secret.read", target=operation.id, data={"secrets": sealed}
            )
            await self._catalog.write(operation.tenant, [], audit)
        return {
            name: await self._resolve_one(operation, reference)
            for name, reference in references.items()
        }

    def backend_key(self, name: str) -> str:
        """The key of a backend. Raises SecretMissing."""
        backend = self._backends.get(name)
        if backend is None or backend.api_key_variable is None:
            raise SecretMissing(f"backend:{name}: the settings name no api_key_variable for it")
        key = self._environment.get(backend.api_key_variable)
        if not key:
            raise SecretMissing(
                f"backend:{name}: the server's environment has no {backend.api_key_variable}"
            )
        return key

    async def connection_key(self, tenant: str, reference: str) -> str:
        """What connection:ID/NAME of a tenant stands for. Raises SecretMissing."""
        name = reference.partition(":")[2]
        kept = await self._catalog.read(tenant, CONNECTION_SECRET, name.partition("/")[0])
        return open_secret(self._keyring, kept, tenant, name)

    async def collect(self, operations: OperationStore) -> int:
        """Delete the secrets of operations that are gone; how many."""
        return await collect_orphans(self._catalog, operations, SECRET)

    async def _resolve_one(self, operation: Operation, reference: str) -> str:
        where, _, name = reference.partition(":")
        of_the_environment = {
            "backend": self.backend_key,
            "object_store": self._object_store_key,
            "module": self._module_variable,
        }
        if where in of_the_environment:
            return of_the_environment[where](name)
        match where:
            case "database" if name == "admin":
                return self._database_server()
            case "database":
                kept = await self._catalog.read(operation.tenant, PASSWORD, name)
                return open_password(self._keyring, kept, operation.tenant, name)
            case "connection":
                return await self.connection_key(operation.tenant, reference)
            case "stack":
                return self._keyring.narrow(stack_purpose(operation.tenant, name))
            case "sealed":
                return await self._open(operation, name)
            case _:
                raise SecretMissing(f"{reference[:80]!r} is not a reference to a secret")

    def _object_store_key(self, reference: str) -> str:
        """What NAME/access_key and NAME/secret_key stand for."""
        name, _, key = reference.partition("/")
        store = self._object_stores.get(name)
        variables = {} if store is None else store.key_variables
        if variables.get(key) is None:
            raise SecretMissing(f"object_store:{reference[:80]}: the settings name no variable")
        found = self._environment.get(variables[key])
        if not found:
            raise SecretMissing(
                f"object_store:{reference}: the server's environment has no {variables[key]}"
            )
        return found

    def _database_server(self) -> str:
        variable = self._databases.url_variable
        if variable is None:
            raise SecretMissing("database:admin: the settings name no url_variable for databases")
        url = self._environment.get(variable)
        if not url:
            raise SecretMissing(f"database:admin: the worker's environment has no {variable}")
        return url

    def _module_variable(self, reference: str) -> str:
        """What NAME/VARIABLE stands for; nothing where the worker's environment has none."""
        name, _, variable = reference.partition("/")
        module = self._modules.get(name)
        if module is None or variable not in module.environment:
            raise SecretMissing(
                f"module:{reference[:80]}: the settings of this worker do not name the variable in"
                f" [modules.{name[:80]}] environment"
            )
        return self._environment.get(variable, "")

    async def _open(self, operation: Operation, name: str) -> str:
        owned = {"operation_id": operation.id, "reference": name}
        found = await self._catalog.find(operation.tenant, SECRET, fields=owned, limit=1)
        if not found:
            raise SecretMissing(
                f"this operation was given no secret sealed:{name[:80]}", fault="user"
            )
        sealed = msgspec.json.decode(found[0].document, type=Sealed)
        try:
            return self._keyring.open(sealed, _about(operation.tenant, name)).decode()
        except SecretMissing as error:
            raise SecretMissing(f"sealed:{name} cannot be opened: {error.message}") from error


def _about(tenant: str, name: str) -> bytes:
    return f"{tenant}/{name}".encode()
