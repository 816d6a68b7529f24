"""What callers do with question sets and evaluations. Operations make evaluations."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import Conflict, InvalidSpec, RevisionMismatch
from outlast.operations.kind import Catalog, CatalogWrite, Resource
from outlast.operations.model import Operation
from outlast.operations.states import State
from outlast.resources.datasets.resolving import find_dataset, find_version, version_document
from outlast.resources.evaluations import model
from outlast.resources.evaluations.model import (
    Columns,
    Evaluation,
    EvaluationDocument,
    QuestionSetDocument,
)
from outlast.resources.playgrounds.model import CHAT
from outlast.resources.shelves import Kept, Shelf
from outlast.store.port import AuditEntry, CatalogStore, Store

PAGE_MAX: Final = 1000
_TRIES: Final = 5


class Questions(msgspec.Struct, frozen=True, kw_only=True):
    """What a question set's dataset is at the moment. `error` says what is wrong with it."""

    dataset_name: str = ""
    rows: int = 0
    bytes: int = 0
    error: str | None = None


class Evaluations:
    """The question sets and evaluations of all tenants; every call is scoped by its principal."""

    def __init__(self, store: Store) -> None:
        self._catalog: CatalogStore = store.catalog
        self._operations = store.operations
        self.question_sets = Shelf(store.catalog, model.QUESTION_SETS, store.operations.now)

    async def create_question_set(
        self, principal: Principal, document: QuestionSetDocument, *, request_id: str | None = None
    ) -> Kept[QuestionSetDocument]:
        """A new question set. Raises NotFound, InvalidSpec for columns that do not fit."""
        principal.require(Verb.SUBMIT)
        document = await self._checked(principal, document)
        return await self.question_sets.create(principal, document, request_id=request_id)

    async def replace_question_set(
        self,
        principal: Principal,
        ref: str,
        document: QuestionSetDocument,
        *,
        request_id: str | None = None,
    ) -> Kept[QuestionSetDocument]:
        """Give a question set another document. Raises NotFound, Forbidden, InvalidSpec."""
        principal.require(Verb.SUBMIT)
        checked = await self._checked(principal, document)
        return await self.question_sets.change(
            principal,
            ref,
            lambda found: replace(checked, created_by=found.created_by),
            request_id=request_id,
        )

    async def questions(self, principal: Principal, document: QuestionSetDocument) -> Questions:
        """What a question set's dataset is at the moment."""
        principal.require(Verb.READ)
        catalog = TenantCatalog(self._catalog, principal.tenant)
        dataset = await catalog.get("dataset", document.dataset)
        if dataset is None:
            return Questions(error="the dataset is no more")
        name = dataset.name or dataset.id
        try:
            version = await check_columns(catalog, dataset, None, document.columns)
        except InvalidSpec as error:
            return Questions(dataset_name=name, error=error.message)
        manifest = version_document(version).manifest
        return Questions(dataset_name=name, rows=manifest.rows, bytes=manifest.bytes)

    async def text_columns(self, principal: Principal, dataset: str) -> Sequence[str]:
        """The columns of texts of a dataset's current version. Raises NotFound."""
        principal.require(Verb.READ)
        catalog = TenantCatalog(self._catalog, principal.tenant)
        version = await find_version(catalog, await find_dataset(catalog, dataset), None)
        return _texts(version)

    async def dataset_name(self, principal: Principal, dataset: str) -> str:
        """What a dataset is called; nothing, if it is no more."""
        principal.require(Verb.READ)
        found = await TenantCatalog(self._catalog, principal.tenant).get("dataset", dataset)
        return "" if found is None else found.name or found.id

    async def find(
        self, principal: Principal, *, before_id: str | None = None, limit: int = PAGE_MAX
    ) -> list[Evaluation]:
        """At most `limit` evaluations with ids below `before_id`, newest first."""
        principal.require(Verb.READ)
        found = await self._catalog.find(
            principal.tenant, model.EVALUATION, before_id=before_id, limit=min(limit, PAGE_MAX)
        )
        return await self._look_at(principal.tenant, found)

    async def forget(
        self,
        principal: Principal,
        *,
        blueprints: Collection[str],
        chats: Collection[str],
        request_id: str | None = None,
    ) -> None:
        """Remove what was measured of blueprints, in the chats; either may be empty for any.

        An evaluation of which nothing is left goes. Raises Forbidden; Conflict for one under way.
        """
        principal.require(Verb.SUBMIT)
        before_id: str | None = None
        while True:
            page = await self.find(principal, before_id=before_id)
            for one in page:
                gone = [
                    each.chat
                    for each in one.document.blueprints
                    if (not blueprints or each.llm_blueprint in blueprints)
                    and (not chats or each.chat in chats)
                ]
                if gone:
                    await self._forget(principal, one, gone, request_id)
            if len(page) < PAGE_MAX:
                return
            before_id = page[-1].id

    async def _forget(
        self, principal: Principal, one: Evaluation, chats: Sequence[str], request_id: str | None
    ) -> None:
        principal.require_over(one.created_by)
        if one.status in {"new", "running"}:
            raise Conflict(
                f"the evaluation {one.document.name!r} is under way: cancel the operation"
                f" {one.operation_id} first",
                details={"operation_id": one.operation_id},
            )
        audit = AuditEntry(
            actor=principal.member,
            action=f"{model.EVALUATION}.delete",
            target=one.id,
            request_id=request_id,
        )
        for _ in range(_TRIES):
            found = await self._catalog.read(principal.tenant, model.EVALUATION, one.id)
            if found is None:
                return
            stored = model.evaluation_of(found)
            left = tuple(each for each in stored.blueprints if each.chat not in chats)
            write = model.change_evaluation(found, replace(stored, blueprints=left))
            if not left:
                write = CatalogWrite(type=model.EVALUATION, id=one.id)
            removals = [CatalogWrite(type=CHAT, id=chat) for chat in chats]
            try:
                await self._catalog.write(principal.tenant, [write, *removals], audit)
            except RevisionMismatch:
                continue
            return
        raise RevisionMismatch

    async def _checked(
        self, principal: Principal, document: QuestionSetDocument
    ) -> QuestionSetDocument:
        catalog = TenantCatalog(self._catalog, principal.tenant)
        dataset = await find_dataset(catalog, document.dataset)
        await check_columns(catalog, dataset, None, document.columns)
        return replace(document, dataset=dataset.id)

    async def _look_at(self, tenant: str, found: Sequence[Resource]) -> list[Evaluation]:
        owners = [one.fields.get(model.OWNER, "") for one in found]
        operations = await self._operations.get(tenant, owners) if owners else []
        shown = []
        for resource, operation in zip(found, operations, strict=True):
            newest: Resource | None = resource
            if operation is not None and operation.state is State.SUCCEEDED:
                # It may have been measured since the resource was read.
                newest = await self._catalog.read(tenant, model.EVALUATION, resource.id)
            if newest is not None:
                shown.append(_shown(newest, operation))
        return shown


async def check_columns(
    catalog: Catalog, dataset: Resource, version: str | None, columns: Columns
) -> Resource:
    """The version of a dataset, if it has these columns. Raises NotFound, InvalidSpec."""
    found = await find_version(catalog, dataset, version)
    manifest = version_document(found).manifest
    texts = _texts(found)
    for what, name in msgspec.structs.asdict(columns).items():
        if name is not None and name not in texts:
            known = ", ".join(texts[:20])[:1000] or "none"
            message = f"names a column of texts; the dataset has: {known}"
            raise InvalidSpec(
                f"columns.{what}: {message}", field_errors={f"columns.{what}": message}
            )
    if not 1 <= manifest.rows <= model.QUESTIONS_MAX:
        message = f"has {manifest.rows} rows; an evaluation is of 1 to {model.QUESTIONS_MAX}"
        raise InvalidSpec(f"dataset: {message}", field_errors={"dataset": message})
    return found


def _texts(version: Resource) -> Sequence[str]:
    columns = version_document(version).manifest.columns
    return [column.name for column in columns if column.type == "string"]


def _shown(resource: Resource, operation: Operation | None) -> Evaluation:
    document = model.evaluation_of(resource)
    return Evaluation(
        id=resource.id,
        document=document,
        status=_status(document, operation),
        operation_id=resource.fields.get(model.OWNER, ""),
        created_by=document.created_by or ("" if operation is None else operation.created_by),
        created_at=resource.created_at,
        error=None if operation is None or operation.failure is None else operation.failure.message,
    )


def _status(document: EvaluationDocument, operation: Operation | None) -> model.Status:
    if document.operation_id is not None:
        return "completed"
    if operation is None or operation.state.is_terminal:
        return "failed"
    return "new" if operation.state is State.PENDING and not operation.attempt else "running"
