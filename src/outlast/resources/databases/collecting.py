"""Garbage collection: files of databases that no document names any more."""

from collections.abc import Callable

from outlast.resources.collecting import OwnedObjectsCollector
from outlast.resources.databases import model
from outlast.resources.objects import ObjectStore
from outlast.store.port import CatalogStore


class DatabaseCollector(OwnedObjectsCollector):
    """Collects the files that no database names."""

    def __init__(
        self, catalog: CatalogStore, objects: ObjectStore, *, now: Callable[[], int]
    ) -> None:
        super().__init__(
            catalog,
            objects,
            type_=model.DATABASE,
            prefix_of=model.databases_prefix,
            owner_of=model.owner_of,
            named_by=lambda resource: (model.database_document(resource).file,),
            now=now,
        )
