"""What the settings name, as resources that every tenant can read and nobody can write."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import msgspec

from outlast.operations.errors import Unavailable
from outlast.operations.kind import CONFIGURED_TYPES, OPERATION, Catalog, CatalogWrite, Resource
from outlast.operations.service import Service
from outlast.resources.policies.builtin import load_builtin_policies
from outlast.resources.services.model import ServiceDocument
from outlast.resources.shown_operations import ShownOperations
from outlast.settings import (
    Backend,
    InstanceTypesSettings,
    Limits,
    NodeOverhead,
    ObjectStoreSettings,
    Settings,
)
from outlast.store.port import AuditEntry, CatalogStore, OperationStore, Store

BACKEND, OBJECT_STORE, INSTALLATION, SERVICE, *_OTHERS = CONFIGURED_TYPES
MODULE, INSTANCE_TYPES, EVIDENCE_KEY, BUILTIN_POLICY = _OTHERS


class BackendDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog tells of a backend. `has_key`: its key is the secret `backend:NAME`."""

    url: str | None
    folder: str | None
    models: tuple[str, ...]
    has_key: bool
    concurrency: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    timeout_seconds: float


class EvidenceKeyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog tells of a public key that signatures of evidence are held to."""

    pem: str


class ObjectStoreDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog tells of a place for bytes. Its keys are no one's but the server's.

    `has_keys`: they are the secrets `object_store:NAME/access_key` and `.../secret_key`. `is_own`:
    the installation keeps its own bytes there, those of all tenants, or right beside.
    """

    url: str
    endpoint: str | None
    region: str | None
    has_keys: bool = False
    is_own: bool = False


class InfrastructureDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What deploys modules here: see `outlast.settings.Infrastructure`.

    `program` is None where there is none; `is_needed`: this process is to have one.
    """

    program: str | None = None
    provider_mirror: str | None = None
    plugin_cache: str | None = None
    registries: bool = False
    parallelism: int = 10
    is_needed: bool = False


class InstallationDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind may have to know of the installation. The one resource is called as its type.

    `outbound_allow` is the setting; `allow_unsandboxed`: hostile bytes may be parsed where no
    sandbox holds; `pipe_table_files`, `pipe_table_bytes` and `policy_seconds` are the limits;
    `database_engine` is what new databases are made with.
    """

    outbound_allow: tuple[str, ...]
    allow_unsandboxed: bool
    connection_folders: tuple[str, ...] = ()
    pipe_table_files: int = Limits().pipe_table_files
    pipe_table_bytes: int = Limits().pipe_table_bytes
    policy_seconds: float = Limits().policy_seconds
    database_engine: Literal["duckdb", "postgresql"] = "duckdb"
    infrastructure: InfrastructureDocument = InfrastructureDocument()


class InstanceTypesDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Where the instance types of a provider are read from, and what its nodes hold beside."""

    path: str | None
    overhead: NodeOverhead


async def find_installation(catalog: Catalog) -> InstallationDocument:
    """What the installation tells of itself. Raises Unavailable where none does."""
    found = await catalog.get(INSTALLATION, INSTALLATION)
    if found is None:
        raise Unavailable("the installation does not tell of itself")
    return msgspec.json.decode(found.document, type=InstallationDocument)


class ConfiguredCatalog:
    """A catalog with the resources of the settings laid over it, in every tenant.

    It shows the operations of `operations` too, where it is given them.
    """

    def __init__(
        self,
        catalog: CatalogStore,
        settings: Settings,
        operations: OperationStore | None = None,
        services: Sequence[Service] = (),
        modules: Mapping[str, msgspec.Struct] = MappingProxyType({}),
    ) -> None:
        self._catalog = catalog
        self._operations = None if operations is None else ShownOperations(operations)
        self._configured = {
            BACKEND: _resources(BACKEND, _backend_documents(settings.backends)),
            OBJECT_STORE: _resources(OBJECT_STORE, _store_documents(settings)),
            INSTALLATION: _resources(INSTALLATION, {INSTALLATION: _installation(settings)}),
            SERVICE: _service_resources(services),
            MODULE: _resources(MODULE, modules),
            EVIDENCE_KEY: _resources(
                EVIDENCE_KEY,
                {
                    name: EvidenceKeyDocument(pem=one.pem or "")
                    for name, one in settings.evidence.keys.items()
                },
            ),
            INSTANCE_TYPES: _resources(INSTANCE_TYPES, _instance_types(settings)),
        }

    def _resources(self, type_: str) -> Sequence[Resource] | None:
        return self._builtin_policies if type_ == BUILTIN_POLICY else self._configured.get(type_)

    @cached_property
    def _builtin_policies(self) -> Sequence[Resource]:
        # Read when they are first asked for: most processes never do.
        return _resources(BUILTIN_POLICY, load_builtin_policies())

    async def read(self, tenant: str, type: str, id_or_name: str) -> Resource | None:
        """See CatalogStore."""
        if type == OPERATION and self._operations is not None:
            return await self._operations.read(tenant, id_or_name)
        configured = self._resources(type)
        if configured is None:
            return await self._catalog.read(tenant, type, id_or_name)
        found = [one for one in configured if id_or_name in {one.id, one.name}]
        return msgspec.structs.replace(found[0], tenant=tenant) if found else None

    async def find(
        self,
        tenant: str,
        type: str,
        *,
        fields: Mapping[str, str] | None = None,
        before_id: str | None = None,
        after_id: str | None = None,
        limit: int = 100,
    ) -> list[Resource]:
        """See CatalogStore. What the settings name has no indexed fields."""
        if type == OPERATION and self._operations is not None:
            return await self._operations.find(tenant, fields or {}, limit)
        configured = self._resources(type)
        if configured is None:
            return await self._catalog.find(
                tenant, type, fields=fields, before_id=before_id, after_id=after_id, limit=limit
            )
        found = [one for one in configured if before_id is None or one.id < before_id]
        if after_id is not None:
            found = [one for one in reversed(found) if one.id > after_id]
        listed = [] if fields else found[:limit]
        return [msgspec.structs.replace(one, tenant=tenant) for one in listed]

    async def count(
        self, tenant: str, type: str, *, fields: Mapping[str, str] | None = None, limit: int
    ) -> int:
        """See CatalogStore."""
        if type == OPERATION or self._resources(type) is not None:
            return len(await self.find(tenant, type, fields=fields, limit=limit))
        return await self._catalog.count(tenant, type, fields=fields, limit=limit)

    async def due(self, type: str, now: int, limit: int) -> list[Resource]:
        """See CatalogStore."""
        return await self._catalog.due(type, now, limit)

    async def write(
        self, tenant: str, writes: Sequence[CatalogWrite], audit: AuditEntry | None = None
    ) -> list[Resource]:
        """See CatalogStore."""
        return await self._catalog.write(tenant, writes, audit)


class ConfiguredStore:
    """An open store whose catalog has the resources of the settings."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        services: Sequence[Service] = (),
        modules: Mapping[str, msgspec.Struct] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._catalog = ConfiguredCatalog(
            store.catalog, settings, store.operations, services, modules
        )

    @property
    def operations(self) -> OperationStore:
        """See Store."""
        return self._store.operations

    @property
    def catalog(self) -> CatalogStore:
        """See Store."""
        return self._catalog

    async def open(self) -> None:
        """See Store."""
        await self._store.open()

    async def close(self) -> None:
        """See Store."""
        await self._store.close()


def _backend_documents(backends: Mapping[str, Backend]) -> dict[str, BackendDocument]:
    return {
        name: BackendDocument(
            url=one.url,
            folder=None if one.folder is None else str(one.folder),
            models=one.models,
            has_key=one.api_key_variable is not None,
            concurrency=one.concurrency,
            requests_per_minute=one.requests_per_minute,
            tokens_per_minute=one.tokens_per_minute,
            timeout_seconds=one.timeout_seconds,
        )
        for name, one in backends.items()
    }


def _store_documents(settings: Settings) -> dict[str, ObjectStoreDocument]:
    stores = settings.object_stores
    own = None if settings.objects is None else stores[settings.objects]
    return {
        name: ObjectStoreDocument(
            url=one.url,
            endpoint=one.endpoint,
            region=one.region,
            has_keys=one.access_key_variable is not None,
            is_own=own is not None and _overlap(one, own),
        )
        for name, one in stores.items()
    }


def _overlap(one: ObjectStoreSettings, other: ObjectStoreSettings) -> bool:
    """Whether objects of one can be objects of the other."""
    urls = [f"{store.url.rstrip('/')}/" for store in (one, other)]
    is_nested = urls[0].startswith(urls[1]) or urls[1].startswith(urls[0])
    return is_nested and one.endpoint == other.endpoint


def _installation(settings: Settings) -> InstallationDocument:
    return InstallationDocument(
        outbound_allow=settings.outbound.allow,
        allow_unsandboxed=settings.allow_unsandboxed,
        connection_folders=tuple(map(str, settings.connections.folders)),
        pipe_table_files=settings.limits.pipe_table_files,
        pipe_table_bytes=settings.limits.pipe_table_bytes,
        policy_seconds=settings.limits.policy_seconds,
        database_engine=settings.databases.engine,
        infrastructure=_infrastructure(settings),
    )


def _infrastructure(settings: Settings) -> InfrastructureDocument:
    said = settings.infrastructure
    return InfrastructureDocument(
        program=_text(said.program),
        provider_mirror=_text(said.provider_mirror),
        plugin_cache=_text(said.plugin_cache),
        registries=said.registries,
        parallelism=said.parallelism,
        is_needed=settings.workers > 0,
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _instance_types(settings: Settings) -> dict[str, InstanceTypesDocument]:
    return {
        name: InstanceTypesDocument(
            path=None if one.path is None else str(one.path), overhead=one.overhead
        )
        for name, one in ({"aws": InstanceTypesSettings()} | settings.instance_types).items()
    }


def _service_resources(services: Sequence[Service]) -> list[Resource]:
    documents = {
        one.name: ServiceDocument(
            commands=one.commands, description=one.description, has_status=one.status is not None
        )
        for one in services
    }
    ids = {one.name: one.id for one in services}
    by_name = _resources(SERVICE, documents)
    by_id = [msgspec.structs.replace(one, id=ids[one.name]) for one in by_name]
    return sorted(by_id, key=lambda one: one.id, reverse=True)


def _resources(type_: str, documents: Mapping[str, msgspec.Struct]) -> list[Resource]:
    return [
        Resource(
            tenant="",
            type=type_,
            id=name,
            name=name,
            document=msgspec.json.encode(documents[name]),
            revision=1,
            created_at=0,
            updated_at=0,
        )
        for name in sorted(documents, reverse=True)
    ]
