"""From a blueprint's words to a plan: which model, which chunks, and the keys of both."""

from typing import Final

import msgspec

from outlast.inference.models import ServedModel, find_model
from outlast.kinds.chat.plan import Answering, Passages
from outlast.kinds.staged_models import staged_inputs, staged_names
from outlast.operations.errors import InvalidSpec
from outlast.operations.kind import Catalog, Prepared
from outlast.resources.playgrounds.model import Generation, Retrieval
from outlast.resources.vector_databases import find_ready, local_models
from outlast.resources.vector_databases.filtering import Where, check_where
from outlast.resources.vector_databases.model import CHUNKS_FILE

MODEL_KEY: Final = "model_key"
EMBEDDER_KEY: Final = "embedder_key"
KEYS: Final = (f"{MODEL_KEY}/*", f"{EMBEDDER_KEY}/*")
"""The secrets of a kind that asks models."""

NO_MODEL: Final = (
    "no model is named: name one as llm, in the prompt or in its LLM blueprint; the models are"
    " those of [backends.NAME] in the settings"
)


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a question shall be answered, in names."""

    llm: str | None
    generation: Generation
    vector_database: str | None
    retrieval: Retrieval
    where: Where | None = None


async def prepare_answering(catalog: Catalog, way: Way, number: int = 0) -> Prepared:
    """What is to be staged and known for it; the plan is an Answering.

    `number` tells it from others in the same attempt. Raises InvalidSpec, NotFound, Conflict.
    """
    if way.llm is None:
        raise InvalidSpec(NO_MODEL, field_errors={"llm": NO_MODEL})
    model = await find_model(catalog, way.llm)
    if way.where is not None:
        check_where(way.where)
    key_name, folder = f"{MODEL_KEY}/{number}", f"model-{number}"
    files = staged_names(model, folder)
    inputs = staged_inputs(model, files)
    passages = None
    if way.vector_database is not None:
        chunks, passages = await _passages(catalog, way, way.vector_database, number)
        inputs |= chunks
    answering = Answering(
        model=model,
        key_name=key_name,
        folder=folder,
        files=files,
        generation=way.generation,
        passages=passages,
    )
    secrets = {} if model.secret_ref is None else {key_name: model.secret_ref}
    if passages is not None and passages.embedder is not None and passages.embedder.secret_ref:
        secrets[passages.key_name] = passages.embedder.secret_ref
    return Prepared(plan=answering, inputs=inputs, secrets=secrets)


async def _passages(
    catalog: Catalog, way: Way, vector_database: str, number: int
) -> tuple[dict[str, str], Passages]:
    found = await find_ready(catalog, vector_database)
    document = found.document
    embedder: ServedModel | None = None
    if not document.is_local:
        embedder = await find_model(catalog, document.embedding_model)
    elif not local_models.is_installed(document.embedding_model):
        raise InvalidSpec(
            local_models.NOT_INSTALLED, field_errors={"vector_database": local_models.NOT_INSTALLED}
        )
    file = f"chunks-{number}.arrow"
    passages = Passages(
        file=file,
        embedding_model=document.embedding_model,
        embedder=embedder,
        key_name=f"{EMBEDDER_KEY}/{number}",
        retrieval=way.retrieval,
        where=way.where,
    )
    return {file: document.files[CHUNKS_FILE]}, passages
