"""What the platform starts and this server has not: each answers why."""

from collections.abc import Awaitable, Callable
from typing import Final

from outlast.dialects.datarobot.words import GENAI, PLATFORM
from outlast.engine.access import Verb
from outlast.http.routing import Answer, Call, Route
from outlast.operations.errors import NotSupported

_DEPLOYMENTS: Final = (
    "this server deploys no custom models: a model of your own is a backend of the settings, or an"
    " endpoint that openaiEmbeddingValidations looks at"
)
_EXTERNAL: Final = "vector databases are files of this server: none is kept elsewhere"
_SEARCH: Final = "this server does not search for the best blueprint: make several and compare them"
_TESTS: Final = (
    "there are no LLM test suites here: evaluationDatasetMetricAggregations measures chats with"
    " questions of your own"
)
_UNSERVED: Final = (
    ("POST", "/comparisonPrompts/", "ask each LLM blueprint in a chat of its own: chatPrompts"),
    ("PATCH", "/comparisonPrompts/{comparisonPromptId}/", "there are no comparison prompts here"),
    ("POST", "/customModelLLMValidations/", _DEPLOYMENTS),
    ("POST", "/customModelEmbeddingValidations/", _DEPLOYMENTS),
    ("POST", "/customModelVectorDatabaseValidations/", _DEPLOYMENTS),
    ("POST", "/customModelVersions/", _DEPLOYMENTS),
    ("POST", "/vectorDatabases/fromCustomModelDeployment/", _DEPLOYMENTS),
    ("POST", "/vectorDatabases/{vectorDatabaseId}/customModelVersions/", _DEPLOYMENTS),
    ("POST", "/vectorDatabases/{vectorDatabaseId}/deployments/", _DEPLOYMENTS),
    ("PATCH", "/vectorDatabases/{vectorDatabaseId}/externalVectorDatabaseDocuments/", _EXTERNAL),
    (
        "GET",
        "/vectorDatabases/{vectorDatabaseId}/textAndEmbeddings/",
        "chunks and vectors are a dataset after datasetExportJobs",
    ),
    ("POST", "/playgrounds/{playgroundId}/traceDatasets/", "this server keeps no traces of chats"),
    ("POST", "/syftrSearch/", _SEARCH),
    ("DELETE", "/syftrSearch/{searchStudyId}/", _SEARCH),
    ("POST", "/llmTestResults/", _TESTS),
    (
        "POST",
        "/syntheticEvaluationDatasetGenerations/",
        "questions are not made up here: upload them as a dataset",
    ),
)
_UNSERVED_DATASETS: Final = tuple(
    ("POST", f"/datasets/{name}/", "a dataset is made of a file here: upload it to fromFile")
    for name in ("fromURL", "fromDataSource", "fromProject", "fromRecipe")
)


def unserved_routes() -> list[Route]:
    """The routes, documented with why they are not served."""
    return [
        Route(
            method=method,
            path=base + path,
            handle=_refusing(why),
            says=f"Not served: {why}",
            verb=Verb.SUBMIT,
            errors=("not_supported",),
        )
        for base, unserved in ((GENAI, _UNSERVED), (PLATFORM, _UNSERVED_DATASETS))
        for method, path, why in unserved
    ]


def _refusing(why: str) -> Callable[[Call], Awaitable[Answer]]:
    async def refuse(call: Call) -> Answer:
        _ = call
        raise NotSupported(why)

    return refuse
