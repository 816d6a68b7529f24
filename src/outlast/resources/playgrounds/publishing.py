"""Makes what an operation answered the answer of a chat prompt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import Conflict
from outlast.operations.kind import CatalogWrite
from outlast.resources.playgrounds import model
from outlast.resources.playgrounds.model import NewAnswer
from outlast.store.port import CatalogStore

TAG: Final = "chat_answer"


class AnswerPublisher:
    """Publishes answers. The worker calls it before it records a success."""

    def __init__(self, catalog: CatalogStore) -> None:
        self._catalog = catalog

    async def publish(
        self,
        tenant: str,
        created_by: str,
        operation_id: str,
        document: bytes,
        workdir: Path,
        *,
        project: str | None = None,
    ) -> Sequence[CatalogWrite]:
        """The writes for an encoded NewAnswer; they belong to the success's transaction.

        Raises Conflict for what cannot be published.
        """
        _ = workdir, project
        try:
            wish = msgspec.json.decode(document, type=NewAnswer)
        except msgspec.DecodeError as error:
            raise Conflict(f"the answer is malformed: {error}") from error
        catalog = TenantCatalog(self._catalog, tenant)
        found = await catalog.get(model.PROMPT, wish.chat_prompt)
        if found is None or found.fields.get(model.OWNER) != operation_id:
            raise Conflict(f"the chat prompt {wish.chat_prompt!r} is no more")
        answered = replace(model.prompt_of(found), operation_id=operation_id, created_by=created_by)
        return [
            model.change_prompt(found, answered),
            model.write_answer(found.id, wish.answer),
        ]
