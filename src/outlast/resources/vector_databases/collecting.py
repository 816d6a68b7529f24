"""Garbage collection: files of vector databases that no document names."""

from collections.abc import Callable

from outlast.resources.collecting import OwnedObjectsCollector
from outlast.resources.objects import ObjectStore
from outlast.resources.vector_databases import model
from outlast.store.port import CatalogStore


class VectorDatabaseCollector(OwnedObjectsCollector):
    """Collects the files that no vector database names."""

    def __init__(
        self, catalog: CatalogStore, objects: ObjectStore, *, now: Callable[[], int]
    ) -> None:
        super().__init__(
            catalog,
            objects,
            type_=model.VECTOR_DATABASE,
            prefix_of=model.vector_databases_prefix,
            owner_of=model.owner_of,
            named_by=lambda resource: model.document_of(resource).files.values(),
            now=now,
        )
