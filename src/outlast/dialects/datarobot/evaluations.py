"""Evaluation datasets and what was measured with them, on the wire."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from outlast.dialects.datarobot.instants import Instant
from outlast.operations.errors import Invalid, NotSupported

METRICS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "retrieval_hit_rate": "Retrieval hit rate",
        "answer_in_passages": "Answer in passages",
        "exact_match": "Exact match",
        "token_f1": "Token overlap (F1)",
        "latency_p50_ms": "Latency, median (ms)",
        "latency_p95_ms": "Latency, 95th percentile (ms)",
        "failures": "Failures",
    }
)
"""What is measured, by our name and by the wire's."""

AggregationType = Literal["average"]
AGGREGATION: Final[AggregationType] = "average"

SOURCE_COLUMNS: Final = ("source", "document_file_path")
PASSAGE_COLUMNS: Final = ("passage", "context")
"""Columns of an evaluation dataset that say what should be found: the first that is there."""


class CreateEvaluationDatasetConfigurationRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel"
):
    """A dataset of questions to evaluate with."""

    name: str
    use_case_id: str
    dataset_id: str
    prompt_column_name: str
    playground_id: str | None = None
    response_column_name: str | None = None
    tool_calls_column_name: str | None = None
    agent_goals_column_name: str | None = None
    is_synthetic_dataset: bool = False


class EditEvaluationDatasetConfigurationRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel"
):
    """What to change of a configuration."""

    name: str | None = None
    dataset_id: str | None = None
    prompt_column_name: str | None = None
    response_column_name: str | None = None
    tool_calls_column_name: str | None = None
    agent_goals_column_name: str | None = None


class EvaluationDatasetConfigurationResponse(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel"
):
    """A dataset of questions to evaluate with."""

    id: str
    name: str
    size: int
    rows_count: int
    use_case_id: str
    playground_id: str | None
    dataset_id: str
    dataset_name: str
    prompt_column_name: str
    response_column_name: str | None
    correctness_enabled: bool
    user_name: str
    creation_user_id: str
    creation_date: Instant
    tenant_id: str
    execution_status: Literal["COMPLETED", "ERROR"]
    error_message: str | None
    tool_calls_column_name: None = None
    agent_goals_column_name: None = None


class CreateMetricAggregationRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An evaluation to make: of which blueprints, with which questions."""

    llm_blueprint_ids: Sequence[str]
    evaluation_dataset_configuration_id: str
    chat_name: str = ""
    insights_configuration: Sequence[dict[str, Any]] = ()


class MetricAggregationJobResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The job that makes an evaluation."""

    job_id: str


class MetricAggregationResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One measure of one blueprint."""

    llm_blueprint_id: str
    evaluation_dataset_configuration_id: str | None
    dataset_id: str
    dataset_name: str
    metric_name: str
    aggregation_type: AggregationType
    aggregation_value: float | None
    chat_id: str
    chat_name: str
    creation_date: Instant
    creation_user_id: str
    tenant_id: str
    ootb_dataset_name: None = None
    custom_model_guard_id: None = None


class SupportedInsight(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A measure that an evaluation makes."""

    insight_name: str
    aggregation_types: Sequence[AggregationType] = (AGGREGATION,)
    execution_status: Literal["COMPLETED"] = "COMPLETED"


class SupportedInsightsResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The measures that an evaluation makes."""

    insights_configuration: Sequence[SupportedInsight]


def supported_insights() -> SupportedInsightsResponse:
    """All measures."""
    return SupportedInsightsResponse(
        insights_configuration=[SupportedInsight(insight_name=name) for name in METRICS.values()]
    )


def check_request(
    request: CreateEvaluationDatasetConfigurationRequest
    | EditEvaluationDatasetConfigurationRequest,
) -> None:
    """Raise NotSupported for what only agents have."""
    if request.tool_calls_column_name or request.agent_goals_column_name:
        raise NotSupported("there are no agents here whose tool calls or goals could be evaluated")


def check_insights(insights: Sequence[Mapping[str, Any]]) -> None:
    """Raise Invalid for a measure that is not made: all of ours are made in any case."""
    for number, one in enumerate(insights):
        name = one.get("insightName")
        if name not in METRICS.values():
            message = (
                f"there is no metric {str(name)[:100]!r}; there are {', '.join(METRICS.values())}"
            )
            path = f"insightsConfiguration[{number}].insightName"
            raise Invalid(message, field_errors={path: message})


def wire_path(path: str) -> str:
    """What a field of our specs is called here."""
    return _NAMES.get(path, path)


_NAMES: Final[Mapping[str, str]] = {
    "columns.question": "promptColumnName",
    "columns.answer": "responseColumnName",
    "dataset": "datasetId",
    "question_set": "evaluationDatasetConfigurationId",
    "llm_blueprints": "llmBlueprintIds",
    "llm": "llmBlueprintIds",
    "model": "llmBlueprintIds",
    "name": "chatName",
}
