"""The object storages that the settings name. Two generations of the wire spell them apart."""

import msgspec

from outlast.dialects.gooddata import encode
from outlast.dialects.gooddata.lists import SIZE_MAX
from outlast.dialects.gooddata.services import ListObjectStorages, storage_list, storage_on_wire
from outlast.engine.access import Verb
from outlast.http.gooddata.listing import WINDOW, parse_window
from outlast.http.gooddata.operations import BASE
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Route
from outlast.resources.configured import OBJECT_STORE, ObjectStoreDocument


class StorageRoutes:
    """The routes of object storages."""

    def __init__(self, parts: Parts) -> None:
        self._catalog = parts.engine.store.catalog

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [
            Route(
                method="GET",
                path=f"{BASE}/{name}",
                handle=self._list,
                says="List AI Lake object storages",
                verb=Verb.READ,
                query=WINDOW,
                answers={200: ListObjectStorages},
            )
            for name in ("object-storages", "objectStorages")
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        found = await self._catalog.find(call.principal.tenant, OBJECT_STORE, limit=SIZE_MAX)
        storages = []
        for one in sorted(found, key=lambda resource: resource.id):
            document = msgspec.json.decode(one.document, type=ObjectStoreDocument)
            # Nobody may read where the installation keeps what is all tenants'.
            if not document.is_own:
                storages.append(
                    storage_on_wire(one.id, document.url, document.endpoint, document.region)
                )
        return Answer(body=encode(storage_list(storages, window)))
