"""Makes checkpoints of an operation models that outlive it."""

from collections.abc import Sequence

from msgspec.structs import replace

from outlast.operations.errors import Conflict, Invalid, NotFound
from outlast.operations.kind import CatalogWrite
from outlast.resources.files.model import (
    FileDocument,
    FilePart,
    new_part_keys,
    published_id,
    write_file,
)
from outlast.resources.models import model
from outlast.resources.models.model import ModelDocument, ModelFile, NewModel
from outlast.resources.objects import ObjectStore
from outlast.resources.publication import Publication
from outlast.resources.staging import operation_file_key


class ModelPublisher:
    """Publishes checkpoints. The worker calls it before it records an operation's end."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def publish(self, publication: Publication) -> Sequence[CatalogWrite]:
        """Copy what an encoded NewModel names; the writes of the model and of its files.

        They belong into the transaction that records the operation's end. To call it again does no
        harm. Raises Conflict for what cannot be published.
        """
        tenant, operation_id = publication.tenant, publication.operation_id
        wish, sources = _read(publication)
        like = FileDocument(
            name="",
            purpose=model.FILE_PURPOSE,
            parts=(),
            created_by=publication.created_by,
            project=publication.project,
            operation_id=operation_id,
            is_partial=wish.is_partial,
        )
        id = model.model_id(operation_id, wish.step)
        keys = model.new_file_keys(tenant, id, wish.files)
        writes: list[CatalogWrite] = []
        sizes: dict[str, ModelFile] = {}
        for name, source in sources.items():
            file_id = published_id(operation_id, f"{id}/{name}")
            [part_key] = new_part_keys(tenant, file_id, 1)
            size = await self._copy(source, keys[name], part_key)
            sizes[name] = ModelFile(bytes=size, file_id=file_id)
            part = FilePart(key=part_key, bytes=size)
            file = replace(like, name=f"step-{wish.step}-{name}", parts=(part,))
            writes.append(write_file(file_id, file))
        published = ModelDocument(
            base=wish.base,
            method=wish.method,
            files=keys,
            sizes=sizes,
            step=wish.step,
            operation_id=operation_id,
            created_by=publication.created_by,
            suffix=wish.suffix,
            metrics=wish.metrics,
            is_partial=wish.is_partial,
        )
        step = None if wish.is_final else wish.step
        name = model.name_model(wish.base, wish.suffix, operation_id, step)
        return [*writes, model.write_model(id, name, published)]

    async def _copy(self, source: str, *targets: str) -> int:
        """Copy an object; its size. Two copies, since a file may be deleted before its model."""
        try:
            for target in targets:
                await self._objects.copy(source, target)
        except NotFound as error:
            raise Conflict(f"a file of the checkpoint is gone: {error}") from error
        stored = await self._objects.find(targets[0])
        if stored is None:
            raise Conflict("a file of the checkpoint went while it was published")
        return stored.bytes


def _read(publication: Publication) -> tuple[NewModel, dict[str, str]]:
    """The wish, and the object key of each of its files. Raises Conflict."""
    wish: NewModel = publication.read(NewModel, "the new model")
    try:
        model.check_model(wish)
        sources = {
            name: operation_file_key(publication.operation_id, source)
            for name, source in wish.files.items()
        }
    except Invalid as error:
        raise Conflict(f"the new model is malformed: {error}") from error
    return wish, sources
