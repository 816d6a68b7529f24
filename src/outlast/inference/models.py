"""Which models there are, and where each is served.

A model is served by a backend of the settings: under the names that an endpoint lists (`NAME`, or
`NAME=THEIRS` where the endpoint has another name for it), or, for a local folder, under the name of
the backend. Where two backends have a model, the first by name serves it; `BACKEND/NAME` picks one.
A model that was tuned here is served from its own files over its base.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from outlast.operations.errors import NotFound
from outlast.operations.kind import Catalog, Resource
from outlast.resources.configured import find_installation
from outlast.resources.connections import find_connection

BACKEND: Final = "backend"
MODEL: Final = "model"
CONNECTED: Final = "connection:"
"""How the name of a model begins that a connection of the tenant leads to; its id follows."""

_BACKENDS_MAX: Final = 1000
_LISTED_MAX: Final = 1000
_NAMES_SHOWN: Final = 20
_BASES_MAX: Final = 8


class ServedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model and where it is served: at `url`, or from a local `folder` and its own `files`.

    `upstream` is what the backend calls it. `secret_ref` names the backend's key, or that of a
    connection of the `tenant`. `allow`: a caller named the URL, and calls may go to the public
    internet and where these rules say. `files` maps the names of a tuned model's files to object
    keys, `base` is what it was tuned from. The limits hold for each process that calls it.
    """

    name: str
    upstream: str
    backend: str | None = None
    url: str | None = None
    secret_ref: str | None = None
    tenant: str | None = None
    allow: tuple[str, ...] | None = None
    concurrency: int = 16
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout_seconds: float = 600
    files: Mapping[str, str] = {}
    folder: str | None = None
    base: str | None = None
    created_at: int = 0


class BackendDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog shows of a backend of the settings. There is no key in it."""

    url: str | None = None
    models: tuple[str, ...] = ()
    concurrency: int = 16
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout_seconds: float = 600
    has_key: bool = False
    folder: str | None = None


class _Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """What serving a tuned model needs to know of it."""

    base: str
    files: Mapping[str, str] = {}


async def find_model(catalog: Catalog, name: str) -> ServedModel:
    """The model of this name. Raises NotFound, naming those that are known."""
    if name.startswith(CONNECTED):
        return await _connected(catalog, name)
    served = await _find(catalog, name, _BASES_MAX)
    if served is None:
        raise await _unknown(catalog, name)
    return served


async def _connected(catalog: Catalog, name: str) -> ServedModel:
    """The model that a connection leads to. Raises NotFound, Conflict."""
    found = await find_connection(catalog, name.removeprefix(CONNECTED))
    settings = found.document.settings
    if "base_url" not in settings:
        message = f"the connection {found.resource.name!r} leads to no model"
        raise NotFound(message, field_errors={"model": message})
    installation = await find_installation(catalog)
    return ServedModel(
        name=CONNECTED + found.id,
        upstream=settings["model"],
        url=settings["base_url"],
        secret_ref=found.secrets.get("api_key"),
        tenant=found.resource.tenant,
        allow=installation.outbound_allow,
        # An endpoint that is kept open is not kept with the key of before a change.
        created_at=found.resource.updated_at,
    )


async def list_models(catalog: Catalog) -> Sequence[ServedModel]:
    """Every model that can be served, the configured ones first, then the tuned ones by age."""
    listed: dict[str, ServedModel] = {}
    for backend in await _backends(catalog):
        for name, upstream in _offers(backend):
            listed.setdefault(name, _at_backend(backend, name, upstream))
    for resource in reversed(await catalog.find(MODEL, limit=_LISTED_MAX)):
        tuned = await _tuned(catalog, resource, _BASES_MAX)
        if tuned is not None:
            listed.setdefault(tuned.name, tuned)
    return list(listed.values())


async def _find(catalog: Catalog, name: str, bases_left: int) -> ServedModel | None:
    backends = await _backends(catalog)
    for backend in backends:
        for offered, upstream in _offers(backend):
            if name == offered:
                return _at_backend(backend, name, upstream)
    for backend in backends:
        for offered, upstream in _offers(backend):
            if name == f"{backend.name}/{offered}":
                return _at_backend(backend, name, upstream)
    resource = await catalog.get(MODEL, name)
    return None if resource is None else await _tuned(catalog, resource, bases_left)


async def _backends(catalog: Catalog) -> Sequence[Resource]:
    found = await catalog.find(BACKEND, limit=_BACKENDS_MAX)
    return sorted(found, key=lambda backend: backend.name)


def _offers(backend: Resource) -> Sequence[tuple[str, str]]:
    """The models of a backend: (our name, its own name)."""
    document = backend_document(backend)
    if document.url is None:
        return [(backend.name, backend.name)]
    pairs = (model.partition("=") for model in document.models)
    return [(name, upstream or name) for name, _, upstream in pairs]


def backend_document(resource: Resource) -> BackendDocument:
    """What a backend's resource says."""
    return msgspec.json.decode(resource.document, type=BackendDocument)


def _at_backend(backend: Resource, name: str, upstream: str) -> ServedModel:
    document = backend_document(backend)
    return ServedModel(
        name=name,
        upstream=upstream,
        backend=backend.name,
        url=document.url,
        secret_ref=f"backend:{backend.name}" if document.has_key else None,
        concurrency=document.concurrency,
        requests_per_minute=document.requests_per_minute,
        tokens_per_minute=document.tokens_per_minute,
        timeout_seconds=document.timeout_seconds,
        folder=document.folder,
        created_at=backend.created_at,
    )


async def _tuned(catalog: Catalog, resource: Resource, bases_left: int) -> ServedModel | None:
    """A tuned model over its base; None if the base is not here any more."""
    document = msgspec.json.decode(resource.document, type=_Tuned)
    base = await _find(catalog, document.base, bases_left - 1) if bases_left else None
    if base is None or base.folder is None:
        return None
    return msgspec.structs.replace(
        base,
        name=resource.name or resource.id,
        upstream=resource.name or resource.id,
        files=document.files,
        base=document.base,
        created_at=resource.created_at,
    )


async def _unknown(catalog: Catalog, name: str) -> NotFound:
    known = [model.name for model in await list_models(catalog)]
    if not known:
        reason = "this installation has no model: the settings name none in [backends.NAME]"
    else:
        more = f" and {len(known) - _NAMES_SHOWN} more" if len(known) > _NAMES_SHOWN else ""
        reason = f"known are {', '.join(known[:_NAMES_SHOWN])}{more}"
    message = f"there is no model {name[:200]!r}; {reason}"
    return NotFound(message, field_errors={"model": message})
