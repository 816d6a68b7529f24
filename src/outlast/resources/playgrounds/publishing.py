"""Makes what an operation answered the answer of a chat prompt."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import Conflict
from outlast.operations.kind import CatalogWrite
from outlast.resources.playgrounds import model
from outlast.resources.playgrounds.model import NewAnswer
from outlast.resources.publication import Publication
from outlast.store.port import CatalogStore

TAG: Final = "chat_answer"


class AnswerPublisher:
    """Publishes answers. The worker calls it before it records a success."""

    def __init__(self, catalog: CatalogStore) -> None:
        self._catalog = catalog

    async def publish(self, publication: Publication) -> Sequence[CatalogWrite]:
        """The writes for an encoded NewAnswer; they belong to the success's transaction.

        Raises Conflict for what cannot be published.
        """
        wish: NewAnswer = publication.read(NewAnswer, "the answer")
        catalog = TenantCatalog(self._catalog, publication.tenant)
        found = await catalog.get(model.PROMPT, wish.chat_prompt)
        if found is None or found.fields.get(model.OWNER) != publication.operation_id:
            raise Conflict(f"the chat prompt {wish.chat_prompt!r} is no more")
        answered = replace(
            model.prompt_of(found),
            operation_id=publication.operation_id,
            created_by=publication.created_by,
        )
        return [
            model.change_prompt(found, answered),
            model.write_answer(found.id, wish.answer),
        ]
