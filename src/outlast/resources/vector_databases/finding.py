"""Finding vector databases, and telling what is under way with them."""

from collections.abc import Sequence

import msgspec

from outlast.operations import ids
from outlast.operations.errors import Conflict
from outlast.operations.kind import Catalog, Resource
from outlast.resources.owning import stand_of
from outlast.resources.vector_databases import model
from outlast.resources.vector_databases.model import (
    Status,
    VectorDatabase,
    VectorDatabaseDocument,
)


class FoundVectorDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """A vector database as the catalog has it, and what is under way with it."""

    resource: Resource
    document: VectorDatabaseDocument
    status: Status

    @property
    def id(self) -> str:
        """Its id."""
        return self.resource.id

    @property
    def owner(self) -> str:
        """The operation that builds it, or did."""
        return self.resource.fields.get(model.OWNER, "")


async def find_ready(catalog: Catalog, ref: str) -> FoundVectorDatabase:
    """The ready vector database with this id, else the newest ready one of this name.

    Raises NotFound; Conflict for an id that is not ready.
    """
    found = await _candidates(catalog, ref)
    for one in found:
        if one.status == "ready":
            return one
    if not found:
        raise model.no_vector_database(ref)
    raise Conflict(
        f"the vector database {found[0].document.name!r} is {found[0].status}",
        details={"status": found[0].status},
    )


async def find_any(catalog: Catalog, ref: str) -> FoundVectorDatabase:
    """The vector database with this id, else the newest of this name. Raises NotFound."""
    found = await _candidates(catalog, ref)
    if not found:
        raise model.no_vector_database(ref)
    return found[0]


async def _candidates(catalog: Catalog, ref: str) -> Sequence[FoundVectorDatabase]:
    id = ids.decode_any(ref)
    resource = None if id is None else await catalog.get(model.VECTOR_DATABASE, id)
    named = await catalog.find(model.VECTOR_DATABASE, name=ref) if resource is None else [resource]
    return [await look_at(catalog, one) for one in named]


async def look_at(catalog: Catalog, resource: Resource) -> FoundVectorDatabase:
    """A vector database with its status, read again if it has just become ready."""
    document = model.document_of(resource)
    stand = await stand_of(catalog, resource, document.operation_id)
    if stand == "changed":
        # It is built once: a second look finds it ready, or gone.
        resource = await catalog.get(model.VECTOR_DATABASE, resource.id) or resource
        document = model.document_of(resource)
        stand = await stand_of(catalog, resource, document.operation_id)
    status: Status = "failed"
    if stand in {"settled", "under_way"}:
        status = "ready" if stand == "settled" else "building"
    return FoundVectorDatabase(resource=resource, document=document, status=status)


def as_vector_database(found: FoundVectorDatabase) -> VectorDatabase:
    """A vector database as callers see it."""
    resource, document = found.resource, found.document
    return VectorDatabase(
        id=resource.id,
        name=document.name,
        family=document.family,
        version=document.version,
        status=found.status,
        embedding_model=document.embedding_model,
        chunking=document.chunking,
        dataset=document.dataset,
        dataset_version=document.dataset_version,
        file=document.file,
        source_name=document.source_name,
        parent=document.parent,
        use_case=document.use_case,
        bytes=document.bytes,
        documents=document.documents,
        chunks=document.chunks,
        dimensions=document.dimensions,
        created_at=resource.created_at,
        updated_at=resource.updated_at,
        created_by=document.created_by,
        operation_id=found.owner,
    )
