"""The routes of evaluation datasets, and of what is measured with them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.evaluations import (
    AGGREGATION,
    METRICS,
    CreateMetricAggregationRequest,
    MetricAggregationJobResponse,
    MetricAggregationResponse,
    SupportedInsightsResponse,
    check_insights,
    supported_insights,
    wire_path,
)
from outlast.dialects.datarobot.ids import read_id, show_id, show_operation_id
from outlast.dialects.datarobot.instants import instant
from outlast.dialects.datarobot.lists import Listed, listed
from outlast.dialects.datarobot.playgrounds import NOBODY
from outlast.dialects.datarobot.words import GENAI
from outlast.engine.access import Verb
from outlast.http.datarobot.accepting import ACCEPT_ERRORS, accepted, submit
from outlast.http.datarobot.listing import WINDOW, gather, parse_window
from outlast.http.datarobot.ordering import (
    ordered,
    parse_switch,
    sort_parameter,
    switch_parameter,
)
from outlast.http.datarobot.playgrounds import CHANGE_ERRORS
from outlast.http.parsing import read_empty, read_json
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.operations.errors import Invalid, NotFound
from outlast.resources.evaluations import Evaluations
from outlast.resources.evaluations.model import Evaluated, Evaluation
from outlast.resources.playgrounds import Playgrounds

_PATH: Final = GENAI + "/evaluationDatasetMetricAggregations/"
_INSIGHTS: Final = GENAI + "/playgrounds/{playgroundId}/supportedInsights/"
_IDS: Final = {
    "llmBlueprintIds": "Only those of these LLM blueprints.",
    "chatIds": "Only those in these chats.",
}
_FILTERED_IDS: Final = {
    **_IDS,
    "evaluationDatasetConfigurationIds": "Only those with these questions.",
}
_FILTERS: Final = {
    **_FILTERED_IDS,
    "metricNames": "Only these metrics.",
    "aggregationTypes": "Only those that are put together so.",
}
_SORTS: Final = {
    "metricName": lambda one: one.metric_name,
    "creationDate": lambda one: one.creation_date,
    "llmBlueprintId": lambda one: one.llm_blueprint_id,
    "aggregationValue": lambda one: one.aggregation_value or 0.0,
}


def _repeatable(names: dict[str, str]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(name=name, schema={"type": "string"}, says=says, is_repeatable=True)
        for name, says in names.items()
    )


class MetricAggregationRoutes:
    """The routes of evaluations: a list has a line for each measure of each blueprint."""

    def __init__(self, parts: Parts, evaluations: Evaluations, playgrounds: Playgrounds) -> None:
        self._engine = parts.engine
        self._evaluations = evaluations
        self._playgrounds = playgrounds
        self._bytes_max = parts.limits.body_bytes
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [
            Route(
                method="POST",
                path=_PATH,
                handle=self._create,
                says="Evaluate LLM blueprints with a dataset of questions",
                verb=Verb.SUBMIT,
                body=CreateMetricAggregationRequest,
                answers={202: MetricAggregationJobResponse},
                errors=ACCEPT_ERRORS,
            ),
            Route(
                method="GET",
                path=_PATH,
                handle=self._list,
                says="List what was measured",
                verb=Verb.READ,
                query=(
                    *_repeatable(_FILTERS),
                    switch_parameter(
                        "currentConfigurationOnly",
                        "Only those of blueprints that are as they were.",
                    ),
                    switch_parameter("nonErroredOnly", "false: those without a value too."),
                    sort_parameter(_SORTS),
                    *WINDOW,
                ),
                answers={200: Listed[MetricAggregationResponse]},
            ),
            Route(
                method="DELETE",
                path=_PATH,
                handle=self._delete,
                says="Delete what was measured of LLM blueprints, or in chats",
                verb=Verb.SUBMIT,
                query=_repeatable(_IDS),
                answers={204: None},
                errors=CHANGE_ERRORS,
            ),
            Route(
                method="GET",
                path=_INSIGHTS,
                handle=self._insights,
                says="List the metrics that an evaluation measures",
                verb=Verb.READ,
                query=(
                    *_repeatable({"llmBlueprintIds": "Says nothing."}),
                    *(
                        switch_parameter(name, "Says nothing.")
                        for name in ("withAggregationTypesOnly", "productionOnly", "completedOnly")
                    ),
                ),
                answers={200: SupportedInsightsResponse},
                errors=("not_found",),
            ),
        ]

    async def _create(self, call: Call) -> Answer:
        request: CreateMetricAggregationRequest = await read_json(
            call, CreateMetricAggregationRequest, self._bytes_max, self._body_seconds
        )
        check_insights(request.insights_configuration)
        spec = {
            "name": request.chat_name,
            "question_set": read_id(
                request.evaluation_dataset_configuration_id, "evaluationDatasetConfigurationId"
            ),
            "llm_blueprints": [read_id(id, "llmBlueprintIds") for id in request.llm_blueprint_ids],
        }
        operation = await submit(self._engine, call, "evaluate_chat", spec, wire_path=wire_path)
        job_id = show_operation_id(operation.id, operation.alias)
        return accepted(call, operation, MetricAggregationJobResponse(job_id=job_id))

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        is_current = parse_switch(call, "currentConfigurationOnly") or False
        is_good_only = parse_switch(call, "nonErroredOnly") is not False

        async def find(before_id: str | None) -> Sequence[Evaluation]:
            return await self._evaluations.find(call.principal, before_id=before_id)

        wanted = {name: set(call.query.get(name, ())) for name in _FILTERS}
        for name in _FILTERED_IDS:
            wanted[name] = {show_id(read_id(id, name)) for id in wanted[name]}
        found: list[MetricAggregationResponse] = []
        for evaluation in await gather(find):
            for one in evaluation.document.blueprints:
                if is_current and not await self._is_current(call, one):
                    continue
                found += [
                    line
                    for line in _lines(call, evaluation, one)
                    if _is_wanted(line, wanted)
                    and not (is_good_only and line.aggregation_value is None)
                ]
        shown = window.cut(ordered(call, found, _SORTS))
        names = {
            id: await self._evaluations.dataset_name(call.principal, read_id(id, "datasetId"))
            for id in {line.dataset_id for line in shown}
        }
        named = [replace(line, dataset_name=names[line.dataset_id]) for line in shown]
        return Answer(body=encode(listed(named, len(found), window)))

    async def _delete(self, call: Call) -> Answer:
        await read_empty(call, self._bytes_max, self._body_seconds)
        ids = {name: {read_id(id, name) for id in call.query.get(name, ())} for name in _IDS}
        if not any(ids.values()):
            message = "llmBlueprintIds or chatIds say what to delete"
            raise Invalid(message, field_errors={"llmBlueprintIds": message})
        await self._evaluations.forget(
            call.principal,
            blueprints=ids["llmBlueprintIds"],
            chats=ids["chatIds"],
            request_id=call.request_id,
        )
        return Answer(status=204)

    async def _insights(self, call: Call) -> Answer:
        ref = read_id(call.params["playgroundId"], "playgroundId")
        await self._playgrounds.playgrounds.get(call.principal, ref)
        return Answer(body=encode(supported_insights()))

    async def _is_current(self, call: Call, one: Evaluated) -> bool:
        """Whether the blueprint is as it was when it was evaluated."""
        try:
            found = await self._playgrounds.blueprints.get(call.principal, one.llm_blueprint)
        except NotFound:
            return False
        document = found.document
        return (
            document.llm == one.llm
            and document.generation == one.generation
            and document.vector_database == one.vector_database
            and document.retrieval == one.retrieval
        )


def _lines(
    call: Call, evaluation: Evaluation, one: Evaluated
) -> Iterator[MetricAggregationResponse]:
    """A line for each measure of a blueprint. The dataset's name is left for later."""
    document = evaluation.document
    question_set = document.question_set
    measured: Any = one.measures
    for field, name in METRICS.items():
        yield MetricAggregationResponse(
            llm_blueprint_id=show_id(one.llm_blueprint),
            evaluation_dataset_configuration_id=None
            if question_set is None
            else show_id(question_set),
            dataset_id=show_id(document.dataset),
            dataset_name="",
            metric_name=name,
            aggregation_type=AGGREGATION,
            aggregation_value=None if measured is None else getattr(measured, field),
            chat_id=show_id(one.chat),
            chat_name=document.name,
            creation_date=instant(evaluation.created_at),
            creation_user_id=evaluation.created_by or NOBODY,
            tenant_id=show_id(call.principal.tenant),
        )


def _is_wanted(line: MetricAggregationResponse, wanted: dict[str, set[str]]) -> bool:
    values = {
        "llmBlueprintIds": line.llm_blueprint_id,
        "chatIds": line.chat_id,
        "evaluationDatasetConfigurationIds": line.evaluation_dataset_configuration_id,
        "metricNames": line.metric_name,
        "aggregationTypes": line.aggregation_type,
    }
    return all(not wanted[name] or value in wanted[name] for name, value in values.items())
