"""The kind `evaluate_chat`: the questions of a dataset, asked of LLM blueprints, and measured.

Every question is asked by itself, as the blueprints were when the evaluation was created. Every
answer goes to a dataset, what was measured to the evaluation. Failure codes:

    invalid_rows         a row has no question
    backend_unavailable  the model, or the one that embeds, does not answer; tried again, and what
                         is answered is kept
    search_failed        the chunks cannot be searched with what the embedding model gives
    result_too_large     the answers do not fit into a dataset
"""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from outlast.clock import system_clock
from outlast.kinds.chat.plan import QUESTIONS, EvaluationPlan, EvaluationResult
from outlast.kinds.chat.preparing import KEYS, NO_MODEL, Way, prepare_answering
from outlast.kinds.targets import Target, part_keys, target_id, targets
from outlast.operations import ids
from outlast.operations.errors import Conflict, InvalidSpec
from outlast.operations.kind import Catalog, CatalogWrite, Context, Finish, Kind, Prepared
from outlast.operations.retry import RetryPolicy
from outlast.resources.configured import find_installation
from outlast.resources.datasets.resolving import find_dataset, version_document
from outlast.resources.evaluations import model
from outlast.resources.evaluations.library import check_columns
from outlast.resources.evaluations.model import Columns, Evaluated, EvaluationDocument
from outlast.resources.playgrounds.finding import check_room, find_blueprint
from outlast.resources.playgrounds.model import CHAT, CHATS, ChatDocument, Name


class EvaluationSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The questions, of a `question_set` or of a `dataset` with its `columns`; and who is asked.

    `dst` is the dataset that all answers go to: without it a temporary one.
    """

    llm_blueprints: Annotated[tuple[str, ...], Meta(min_length=1, max_length=model.BLUEPRINTS_MAX)]
    question_set: str | None = None
    dataset: str | None = None
    dataset_version: str | None = None
    columns: Columns | None = None
    name: Name = ""
    dst: Target | None = None


async def prepare(spec: EvaluationSpec, catalog: Catalog) -> Prepared:
    """Find questions, models and chunks. Raises InvalidSpec, NotFound, Conflict."""
    if catalog.operation_id is None:
        id, document, writes = await _begin(spec, catalog)
    else:
        owned = await catalog.find(model.EVALUATION, operation_id=catalog.operation_id)
        if not owned:
            raise Conflict("the evaluation is no more")
        id, document, writes = owned[0].id, model.evaluation_of(owned[0]), ()
    dataset = await find_dataset(catalog, document.dataset)
    version = await check_columns(catalog, dataset, document.dataset_version, document.columns)
    ways = [
        await prepare_answering(
            catalog,
            Way(
                llm=one.llm,
                generation=one.generation,
                vector_database=one.vector_database,
                retrieval=one.retrieval,
            ),
            number,
        )
        for number, one in enumerate(document.blueprints)
    ]
    target = spec.dst or Target()
    target_dataset = await target_id(catalog, target)
    plan = EvaluationPlan(
        evaluation=id,
        columns=document.columns,
        rows=version_document(version).manifest.rows,
        blueprints=tuple(one.llm_blueprint for one in document.blueprints),
        ways=tuple(way.plan for way in ways),
        allow_unsandboxed=(await find_installation(catalog)).allow_unsandboxed,
        dataset=target_dataset,
        version_name=target.version_name,
    )
    return Prepared(
        plan=plan,
        writes=writes,
        inputs={name: key for way in ways for name, key in way.inputs.items()},
        exports={QUESTIONS: part_keys(version)},
        secrets={name: ref for way in ways for name, ref in way.secrets.items()},
        targets=targets(target_dataset),
        resource_type=model.EVALUATION,
        resource_id=id,
    )


async def _begin(
    spec: EvaluationSpec, catalog: Catalog
) -> tuple[str, EvaluationDocument, Sequence[CatalogWrite]]:
    """The evaluation that is asked for, under a new id, and the writes that keep it."""
    dataset, version, columns = await _questions(spec, catalog)
    id = _new_id()
    evaluated: list[Evaluated] = []
    chats: list[CatalogWrite] = []
    for ref in dict.fromkeys(spec.llm_blueprints):
        blueprint = await find_blueprint(catalog, ref)
        found = blueprint.document
        if found.llm is None:
            raise InvalidSpec(NO_MODEL, field_errors={"llm_blueprints": NO_MODEL})
        await check_room(catalog, CHAT, llm_blueprint=blueprint.id)
        chat = _new_id()
        evaluated.append(
            Evaluated(
                llm_blueprint=blueprint.id,
                chat=chat,
                llm=found.llm,
                generation=found.generation,
                vector_database=found.vector_database,
                retrieval=found.retrieval,
            )
        )
        document = ChatDocument(
            playground=found.playground,
            llm_blueprint=blueprint.id,
            name=spec.name,
            evaluation=id,
            created_by=found.created_by,
        )
        chats.append(CHATS.write(chat, document, 0))
    evaluation = EvaluationDocument(
        name=spec.name,
        question_set=spec.question_set,
        dataset=dataset,
        dataset_version=version,
        columns=columns,
        blueprints=tuple(evaluated),
    )
    return id, evaluation, [model.reserve_evaluation(id, evaluation), *chats]


async def _questions(spec: EvaluationSpec, catalog: Catalog) -> tuple[str, str, Columns]:
    """The dataset, its version, and what its columns are."""
    if (spec.question_set is None) == (spec.dataset is None):
        message = "an evaluation has either a question_set, or a dataset with its columns"
        raise InvalidSpec(message, field_errors={"question_set": message})
    if spec.question_set is not None:
        if spec.columns is not None or spec.dataset_version is not None:
            message = "the question set says which columns there are, of the current version"
            raise InvalidSpec(message, field_errors={"columns": message})
        found = (await model.QUESTION_SETS.find_one(catalog, spec.question_set)).document
        ref, columns = found.dataset, found.columns
    elif spec.columns is None:
        message = "says which column has the questions"
        raise InvalidSpec(f"columns: {message}", field_errors={"columns": message})
    else:
        ref, columns = spec.dataset or "", spec.columns
    dataset = await find_dataset(catalog, ref)
    version = await check_columns(catalog, dataset, spec.dataset_version, columns)
    return dataset.id, version_document(version).manifest.version, columns


def _new_id() -> str:
    return ids.make_id(system_clock(), ids.random_bits())


async def run(plan: EvaluationPlan, context: Context) -> Finish:
    """Ask the questions of a dataset of LLM blueprints, and measure what is found and answered."""
    # Only the child has Arrow and the client, so that the server stays small.
    from outlast.kinds.chat.evaluating import Evaluating  # noqa: PLC0415

    return await Evaluating(plan, context).run()


kinds: Final = [
    Kind(
        "evaluate_chat",
        spec=EvaluationSpec,
        result=EvaluationResult,
        plan=EvaluationPlan,
        prepare=prepare,
        run=run,
        secrets=KEYS,
        cancel_grace_seconds=10,
        # After a crash it goes on at once; a backend that is broken has more than an hour.
        retry=RetryPolicy(attempts_max=10, factor=3, delay_seconds_max=1800),
        description="Ask the questions of a dataset of LLM blueprints, and measure the answers.",
    )
]
