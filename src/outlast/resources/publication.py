"""What an attempt asks to have published."""

from pathlib import Path
from typing import Any

import msgspec

from outlast.operations.errors import Conflict


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A document that an attempt left, and the operation that what comes of it belongs to.

    Files that the document names are in `workdir`.
    """

    tenant: str
    operation_id: str
    created_by: str
    project: str | None = None
    document: bytes
    workdir: Path

    def read(self, type: Any, name: str) -> Any:
        """The document as this type. Raises Conflict; `name` says what it was to be."""
        try:
            return msgspec.json.decode(self.document, type=type)
        except msgspec.DecodeError as error:
            raise Conflict(f"{name} is malformed: {error}") from error
