"""Finding the datasets of the wire: tables of ours, and files that hold documents."""

from collections.abc import Sequence
from typing import Final

from outlast.dialects.datarobot.datasets import DatasetResponse, ProcessingState
from outlast.dialects.datarobot.ids import show_id
from outlast.dialects.datarobot.instants import instant
from outlast.engine.access import Principal
from outlast.http.datarobot.listing import gather
from outlast.operations.errors import NotFound
from outlast.resources.datasets import Dataset, Datasets
from outlast.resources.datasets.model import DatasetStatus, Version
from outlast.resources.files import File, Files

DOCUMENTS: Final = "documents"
"""The purpose of a file that is a dataset on this wire."""

_STATES: Final[dict[DatasetStatus, ProcessingState]] = {
    DatasetStatus.DRAFT: "CREATED",
    DatasetStatus.PENDING: "RUNNING",
    DatasetStatus.READY: "COMPLETED",
    DatasetStatus.FAILED: "ERROR",
}


class DatasetReader:
    """The datasets that a principal sees."""

    def __init__(self, datasets: Datasets, files: Files) -> None:
        self.datasets = datasets
        self.files = files

    async def find(self, principal: Principal) -> Sequence[Dataset | File]:
        """All of them, newest first, as far as a list can reach."""
        tables = await gather(
            lambda before_id: self.datasets.find(principal, before_id, limit=1000)
        )
        files = await gather(
            lambda before_id: self.files.find(
                principal, purpose=DOCUMENTS, before_id=before_id, limit=1000
            )
        )
        return sorted([*tables, *files], key=lambda one: (one.created_at, one.id), reverse=True)

    async def get(self, principal: Principal, ref: str) -> Dataset | File:
        """One of them: a table, else a file. Raises NotFound."""
        try:
            return await self.datasets.get(principal, ref)
        except NotFound:
            pass
        try:
            return await self.files.get(principal, ref)
        except NotFound:
            raise NotFound(f"there is no dataset {ref[:130]!r}") from None

    async def show(self, principal: Principal, found: Dataset | File) -> DatasetResponse:
        """One of them as the wire has it."""
        if isinstance(found, File):
            return _file(found)
        version = None
        if found.current_version is not None:
            version = await self.datasets.version(principal, found.id, found.current_version)
        return _table(found, version)


def called(found: Dataset | File) -> str:
    """What a dataset is called."""
    return found.name if isinstance(found, File) else found.title or found.name or found.id


def _table(found: Dataset, version: Version | None) -> DatasetResponse:
    id = show_id(found.id)
    return DatasetResponse(
        dataset_id=id,
        version_id=id if version is None else version.version,
        name=called(found),
        creation_date=instant(found.created_at),
        created_by=found.created_by,
        processing_state=_STATES[found.status],
        dataset_size=0 if version is None else version.bytes,
        row_count=0 if version is None else version.rows,
        error=found.error or "",
        last_modification_date=instant(found.updated_at),
        last_modifier_full_name=found.created_by,
        uri=called(found),
    )


def _file(found: File) -> DatasetResponse:
    id = show_id(found.id)
    return DatasetResponse(
        dataset_id=id,
        version_id=id,
        name=found.name,
        creation_date=instant(found.created_at),
        created_by=found.created_by,
        processing_state="COMPLETED",
        dataset_size=found.bytes,
        row_count=0,
        error="",
        last_modification_date=instant(found.created_at),
        last_modifier_full_name=found.created_by,
        uri=found.name,
    )
