"""What an operation leaves when it ends without success: what its last checkpoint names."""

import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from outlast.executors.outcomes import describe, encode_write
from outlast.operations import documents
from outlast.operations.errors import Conflict, OutlastError, Unavailable
from outlast.operations.kind import CatalogWrite, Kind
from outlast.operations.model import Operation
from outlast.store.port import Held
from outlast.worker.equipment import Equipment

_WHOLE: Final = "dataset_version"

Publish: TypeAlias = Callable[
    [Sequence[bytes], Callable[[], Path]], Awaitable[Sequence[CatalogWrite]]
]
"""Turns encoded publications into writes."""

logger = logging.getLogger(__name__)


class OwnPartials:
    """Asks the kind in this process: for kinds whose code is ours."""

    async def partial(self, kind: Kind, checkpoint: bytes) -> Sequence[bytes]:
        """See `worker.equipment.PartialSource`."""
        if kind.partial is None:
            return ()
        return [encode_write(one) for one in kind.partial(documents.decode(checkpoint))]


class PartialOutput:
    """The partial output of one attempt's operation. What is wrong with it hinders no end."""

    def __init__(
        self,
        equipment: Equipment,
        operation: Operation,
        kind: Kind,
        token: str,
        publish: Publish,
    ) -> None:
        self._equipment = equipment
        self._operation = operation
        self._kind = kind
        self._held = Held(id=operation.id, token=token)
        self._publish = publish

    async def writes(self) -> Sequence[CatalogWrite]:
        """The writes that publish what the last durable checkpoint names. Raises Unavailable."""
        [stored] = await self._equipment.store.operations.get(None, [self._operation.id])
        if stored is None or stored.checkpoint is None:
            return ()
        # Two edges: whatever the kind's code or a publisher does, the operation comes to its end.
        try:
            publications = await self._ask(stored.checkpoint)
        except Exception as error:  # noqa: BLE001  see above
            await self.give_up(error)
            return ()
        try:
            return await self._publish(publications, _no_workdir)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  see above
            await self.give_up(error)
            return ()

    async def give_up(self, error: Exception) -> None:
        """Say why nothing is published, in the operation's log and, if it is a bug, in ours."""
        if isinstance(error, OutlastError):
            await self._note(error.message)
            return
        logger.error("partial output of %s", self._operation.id, exc_info=error)
        await self._note(describe(error))

    async def _ask(self, checkpoint: bytes) -> Sequence[bytes]:
        publications = await self._equipment.partials.partial(self._kind, checkpoint)
        if any(documents.decode(one)["type"] == _WHOLE for one in publications):
            raise Conflict("dataset versions are never partial")
        return publications

    async def _note(self, why: str) -> None:
        text = f"[the partial output was not published: {why}]"
        lines = [(self._equipment.store.operations.now(), text)]
        limit = self._equipment.limits.log_bytes
        await self._equipment.store.operations.append_log(self._held, lines, limit)


def _no_workdir() -> Path:
    # The attempt's folder may be of another attempt than the checkpoint: nothing lies below this.
    return Path(os.devnull)
