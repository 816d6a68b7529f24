"""What the catalog keeps of evaluations, and of the question sets that they are made with. Pure.

A question set says which columns of a dataset are what. An evaluation's resource is there from the
moment its operation is created, with the settings of the blueprints as they were then; what was
measured stands in it once the operation has succeeded.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from outlast.operations import documents
from outlast.operations.kind import CatalogWrite, Resource
from outlast.resources.playgrounds.model import Generation, Name, Retrieval
from outlast.resources.shelves import Label, Owned

QUESTION_SET: Final = "question_set"
EVALUATION: Final = "chat_evaluation"
OWNER: Final = "operation_id"
BLUEPRINTS_MAX: Final = 10
QUESTIONS_MAX: Final = 5000
_COLUMN_CHARS_MAX: Final = 500

Status = Literal["new", "running", "completed", "failed"]
ColumnName = Annotated[str, Meta(min_length=1, max_length=_COLUMN_CHARS_MAX)]


class Columns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the columns of a dataset are: the questions, and what is expected of each.

    `answer` is the text that the model should give, `source` the name of the document that should
    be found, `passage` a text that should stand in what is found. All of them are texts.
    """

    question: ColumnName
    answer: ColumnName | None = None
    source: ColumnName | None = None
    passage: ColumnName | None = None


class QuestionSetDocument(Owned, frozen=True, kw_only=True):
    """A dataset of questions, and what its columns are."""

    name: Name
    dataset: str
    columns: Columns
    use_case: str | None = None
    playground: str | None = None


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured over the questions of a blueprint. None: nothing was expected of that.

    `retrieval_hit_rate` is the share of questions whose expected source or passage was found, and
    `answer_in_passages` of those whose expected answer stands in a passage. Answers are compared
    without case, punctuation and spaces: `exact_match` is the share that is the same, `token_f1`
    the mean overlap in words. Questions that got no answer are `failures`, and count in the first
    two alone. Latencies are those of the model.
    """

    questions: int
    failures: int
    retrieval_hit_rate: float | None = None
    answer_in_passages: float | None = None
    exact_match: float | None = None
    token_f1: float | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """A blueprint in an evaluation, as it was when that began, and what was measured.

    `chat` is the chat that stands for it.
    """

    llm_blueprint: str
    chat: str
    llm: str
    generation: Generation
    vector_database: str | None
    retrieval: Retrieval
    measures: Measures | None = None


class EvaluationDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation of blueprints over a version of a dataset.

    `answers` is the dataset with every answer, and `answers_version` its version.
    """

    name: str
    dataset: str
    dataset_version: str
    columns: Columns
    blueprints: tuple[Evaluated, ...]
    question_set: str | None = None
    created_by: str = ""
    operation_id: str | None = None
    answers: str | None = None
    answers_version: str | None = None


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation as callers see it. `operation_id` makes it, did so, or failed to."""

    id: str
    document: EvaluationDocument
    status: Status
    operation_id: str
    created_by: str
    created_at: int
    error: str | None = None


class NewMeasures(msgspec.Struct, frozen=True, kw_only=True, tag="chat_measures"):
    """What a handler returns in `Finish.writes` to publish what it measured, by blueprint."""

    evaluation: str
    measures: tuple[Measures, ...]
    answers: str
    answers_version: str


QUESTION_SETS: Final[Label[QuestionSetDocument]] = Label(
    catalog_type=QUESTION_SET,
    word="question set",
    document=QuestionSetDocument,
    fields=lambda one: {"playground": one.playground, "use_case": one.use_case},
)


def evaluation_of(resource: Resource) -> EvaluationDocument:
    """What an evaluation's resource says."""
    return msgspec.json.decode(resource.document, type=EvaluationDocument)


def reserve_evaluation(id: str, document: EvaluationDocument) -> CatalogWrite:
    """The write of an evaluation that the operation it is written with will make."""
    return CatalogWrite(
        type=EVALUATION,
        id=id,
        document=documents.encode(document),
        expected_revision=0,
        is_owned=True,
    )


def change_evaluation(found: Resource, document: EvaluationDocument) -> CatalogWrite:
    """The write of an evaluation's document, if it is still as it was found."""
    return CatalogWrite(
        type=EVALUATION,
        id=found.id,
        document=documents.encode(document),
        fields=found.fields,
        expected_revision=found.revision,
    )
