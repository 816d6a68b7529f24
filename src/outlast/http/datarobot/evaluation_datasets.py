"""The routes of the datasets of questions that LLM blueprints are evaluated with."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.evaluations import (
    PASSAGE_COLUMNS,
    SOURCE_COLUMNS,
    CreateEvaluationDatasetConfigurationRequest,
    EditEvaluationDatasetConfigurationRequest,
    EvaluationDatasetConfigurationResponse,
    check_request,
    wire_path,
)
from outlast.dialects.datarobot.ids import read_id, show_id
from outlast.dialects.datarobot.instants import instant
from outlast.dialects.datarobot.lists import Listed, listed
from outlast.dialects.datarobot.playgrounds import NOBODY
from outlast.dialects.datarobot.vector_databases import NO_USE_CASE
from outlast.dialects.datarobot.words import GENAI
from outlast.engine.access import Verb
from outlast.http.datarobot.chats import filters, given_id
from outlast.http.datarobot.listing import SEARCH, WINDOW, gather, parse_window
from outlast.http.datarobot.ordering import (
    ordered,
    parse_switch,
    sort_parameter,
    switch_parameter,
)
from outlast.http.datarobot.playgrounds import CHANGE_ERRORS
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.renaming import renaming
from outlast.http.routing import Answer, Call, Route
from outlast.resources.evaluations import Evaluations
from outlast.resources.evaluations.model import Columns, QuestionSetDocument
from outlast.resources.playgrounds import Playgrounds
from outlast.resources.shelves import Kept
from outlast.resources.use_cases import UseCases

_PATH: Final = GENAI + "/evaluationDatasetConfigurations/"
_ONE: Final = _PATH + "{evaluationDatasetConfigurationId}/"
_ID: Final = "evaluationDatasetConfigurationId"
_SORTS: Final = {
    "name": lambda one: one.document.name,
    "creationDate": lambda one: one.id,
}


class EvaluationDatasetRoutes:
    """The routes of evaluation dataset configurations."""

    def __init__(self, parts: Parts, evaluations: Evaluations, playgrounds: Playgrounds) -> None:
        self._evaluations = evaluations
        self._playgrounds = playgrounds.playgrounds
        self._use_cases = UseCases(parts.engine.store).shelf
        self._bytes_max = parts.limits.body_bytes
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._reading(), *self._changing()]

    def _reading(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=_PATH,
                handle=self._list,
                says="List evaluation dataset configurations",
                verb=Verb.READ,
                query=(
                    *filters(
                        useCaseId="Only those of this use case.",
                        playgroundId="Only those in this playground.",
                        evaluationDatasetConfigurationId="Only this one.",
                    ),
                    SEARCH,
                    switch_parameter("correctnessOnly", "Only those that expect answers."),
                    switch_parameter("completedOnly", "Only those that can be used."),
                    sort_parameter(_SORTS),
                    *WINDOW,
                ),
                answers={200: Listed[EvaluationDatasetConfigurationResponse]},
            ),
            Route(
                method="GET",
                path=_ONE,
                handle=self._get,
                says="Retrieve an evaluation dataset configuration",
                verb=Verb.READ,
                answers={200: EvaluationDatasetConfigurationResponse},
                errors=("not_found",),
            ),
        ]

    def _changing(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path=_PATH,
                handle=self._create,
                says="Create an evaluation dataset configuration",
                verb=Verb.SUBMIT,
                body=CreateEvaluationDatasetConfigurationRequest,
                answers={201: EvaluationDatasetConfigurationResponse},
                errors=CHANGE_ERRORS,
            ),
            Route(
                method="PATCH",
                path=_ONE,
                handle=self._edit,
                says="Edit an evaluation dataset configuration",
                verb=Verb.SUBMIT,
                body=EditEvaluationDatasetConfigurationRequest,
                answers={200: EvaluationDatasetConfigurationResponse},
                errors=CHANGE_ERRORS,
            ),
            Route(
                method="DELETE",
                path=_ONE,
                handle=self._delete,
                says="Delete an evaluation dataset configuration; what was measured stays",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=CHANGE_ERRORS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        use_case, playground = given_id(call, "useCaseId"), given_id(call, "playgroundId")
        only = given_id(call, _ID)
        search = (call.one("search") or "").lower()
        is_expecting = parse_switch(call, "correctnessOnly") or False
        is_complete = parse_switch(call, "completedOnly") or False

        async def find(before_id: str | None) -> Sequence[Kept[QuestionSetDocument]]:
            return await self._evaluations.question_sets.find(
                call.principal, before_id=before_id, use_case=use_case, playground=playground
            )

        found = [
            one
            for one in await gather(find)
            if search in one.document.name.lower()
            and only in {None, one.id}
            and not (is_expecting and one.document.columns.answer is None)
        ]
        if is_complete:
            found = [one for one in found if await self._is_usable(call, one)]
        shown = window.cut(ordered(call, found, _SORTS))
        views = [await self._shown(call, one) for one in shown]
        return Answer(body=encode(listed(views, len(found), window)))

    async def _get(self, call: Call) -> Answer:
        ref = read_id(call.params[_ID], _ID)
        kept = await self._evaluations.question_sets.get(call.principal, ref)
        return Answer(body=encode(await self._shown(call, kept)))

    async def _create(self, call: Call) -> Answer:
        request = await self._read(call, CreateEvaluationDatasetConfigurationRequest)
        check_request(request)
        dataset = read_id(request.dataset_id, "datasetId")
        use_case, playground = read_id(request.use_case_id, "useCaseId"), None
        if request.playground_id is not None:
            ref = read_id(request.playground_id, "playgroundId")
            playground = (await self._playgrounds.get(call.principal, ref)).id
        document = QuestionSetDocument(
            name=request.name,
            use_case=(await self._use_cases.get(call.principal, use_case)).id,
            playground=playground,
            dataset=dataset,
            columns=await self._columns(
                call, dataset, request.prompt_column_name, request.response_column_name
            ),
        )
        with renaming(wire_path):
            kept = await self._evaluations.create_question_set(
                call.principal, document, request_id=call.request_id
            )
        return Answer(status=201, body=encode(await self._shown(call, kept)))

    async def _edit(self, call: Call) -> Answer:
        request = await self._read(call, EditEvaluationDatasetConfigurationRequest)
        check_request(request)
        ref = read_id(call.params[_ID], _ID)
        found = (await self._evaluations.question_sets.get(call.principal, ref)).document
        dataset = found.dataset
        if request.dataset_id is not None:
            dataset = read_id(request.dataset_id, "datasetId")
        document = replace(
            found,
            name=found.name if request.name is None else request.name,
            dataset=dataset,
            columns=await self._columns(
                call,
                dataset,
                request.prompt_column_name or found.columns.question,
                request.response_column_name or found.columns.answer,
            ),
        )
        with renaming(wire_path):
            kept = await self._evaluations.replace_question_set(
                call.principal, ref, document, request_id=call.request_id
            )
        return Answer(body=encode(await self._shown(call, kept)))

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._bytes_max, self._body_seconds)
        ref = read_id(call.params[_ID], _ID)
        await self._evaluations.question_sets.delete(
            call.principal, ref, request_id=call.request_id
        )
        return Answer(status=204)

    async def _columns(
        self, call: Call, dataset: str, question: str, answer: str | None
    ) -> Columns:
        """The columns that are named, and those that say by their names what should be found."""
        texts = await self._evaluations.text_columns(call.principal, dataset)
        source, passage = (
            next((name for name in names if name in texts and name not in {question, answer}), None)
            for names in (SOURCE_COLUMNS, PASSAGE_COLUMNS)
        )
        return Columns(question=question, answer=answer, source=source, passage=passage)

    async def _is_usable(self, call: Call, one: Kept[QuestionSetDocument]) -> bool:
        return (await self._evaluations.questions(call.principal, one.document)).error is None

    async def _shown(
        self, call: Call, kept: Kept[QuestionSetDocument]
    ) -> EvaluationDatasetConfigurationResponse:
        document = kept.document
        questions = await self._evaluations.questions(call.principal, document)
        return EvaluationDatasetConfigurationResponse(
            id=show_id(kept.id),
            name=document.name,
            size=questions.bytes,
            rows_count=questions.rows,
            use_case_id=NO_USE_CASE if document.use_case is None else show_id(document.use_case),
            playground_id=None if document.playground is None else show_id(document.playground),
            dataset_id=show_id(document.dataset),
            dataset_name=questions.dataset_name,
            prompt_column_name=document.columns.question,
            response_column_name=document.columns.answer,
            correctness_enabled=document.columns.answer is not None,
            user_name=document.created_by,
            creation_user_id=document.created_by or NOBODY,
            creation_date=instant(kept.created_at),
            tenant_id=show_id(call.principal.tenant),
            execution_status="COMPLETED" if questions.error is None else "ERROR",
            error_message=questions.error,
        )

    async def _read(self, call: Call, type: type[Any]) -> Any:
        return await read_json(call, type, self._bytes_max, self._body_seconds)
