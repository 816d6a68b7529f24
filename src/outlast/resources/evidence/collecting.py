"""Garbage collection: bytes of evidence that no document names any more."""

from collections.abc import Callable

from outlast.resources.collecting import OwnedObjectsCollector
from outlast.resources.evidence import model
from outlast.resources.objects import ObjectStore
from outlast.store.port import CatalogStore


class EvidenceCollector(OwnedObjectsCollector):
    """Collects the bytes that no evidence names."""

    def __init__(
        self, catalog: CatalogStore, objects: ObjectStore, *, now: Callable[[], int]
    ) -> None:
        super().__init__(
            catalog,
            objects,
            type_=model.EVIDENCE,
            prefix_of=model.evidence_prefix,
            owner_of=model.owner_of,
            named_by=lambda resource: (model.evidence_document(resource).key,),
            now=now,
        )
