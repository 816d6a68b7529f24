"""Answers questions: finds passages in a locked child, and asks the model at its backend."""

import array
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

import msgspec

from outlast.inference.endpoints import open_endpoint
from outlast.kinds.chat.messages import Reply, fitting, question_to, read_reply
from outlast.kinds.chat.plan import Answering, Passages
from outlast.kinds.locked_children import LockedChildren, Reading
from outlast.kinds.patient_asking import PatientAsker
from outlast.kinds.staged_models import own_folder
from outlast.kinds.vector.embedding import Embedder, open_embedder
from outlast.operations.errors import Fatal, Retry, Unavailable
from outlast.operations.kind import Context
from outlast.resources.playgrounds.finding import Said
from outlast.resources.playgrounds.model import ANSWER_BYTES_MAX, Citation
from outlast.resources.vector_databases import Hit, calls
from outlast.resources.vector_databases.calls import SearchArguments
from outlast.resources.vector_databases.filtering import Every
from outlast.resources.vector_databases.local_models import preload
from outlast.resources.vector_databases.model import CHUNKS_FILE

SEARCHING: Final = Reading(
    what="the chunks", failures=(), died="search_failed", memory_bytes=calls.MEMORY_BYTES
)


def preloaded(*ways: Answering) -> Sequence[str]:
    """What a child must import before it is locked, to find passages for these."""
    is_local = any(one.passages is not None and one.passages.embedder is None for one in ways)
    return preload() if is_local else ()


class _Found(msgspec.Struct):
    hits: list[list[Hit]] = []
    error: str | None = None


class Finder:
    """Finds the passages of questions, several at once."""

    def __init__(
        self,
        passages: Passages,
        context: Context,
        children: LockedChildren,
        embedder: Embedder | None,
    ) -> None:
        """`embedder` None: the search embeds the questions itself, with the local model."""
        self._passages = passages
        self._chunks = context.workdir / passages.file
        self._children = children
        self._embedder = embedder

    async def find(self, texts: Sequence[str]) -> list[tuple[Citation, ...]]:
        """What each question is given. Raises Fatal, Retry."""
        passages = self._passages
        retrieval = passages.retrieval
        vectors: tuple[tuple[float, ...], ...] = ()
        if self._embedder is not None:
            embedded = await self._embedder.embed(texts)
            floats, size = array.array("f", embedded.packed), embedded.dimensions
            vectors = tuple(
                tuple(floats[start : start + size]) for start in range(0, len(floats), size)
            )
        arguments = SearchArguments(
            limit=retrieval.chunks,
            vectors=vectors,
            texts=() if vectors else tuple(texts),
            model=passages.embedding_model,
            where=passages.where or Every(of=()),
            relevance=retrieval.relevance,
            with_neighbours=retrieval.with_neighbours,
        )
        inputs = {CHUNKS_FILE: self._chunks}
        async with self._children.call(calls.SEARCH, arguments, inputs) as (answer, _):
            try:
                found = msgspec.convert(answer, _Found)
            except msgspec.ValidationError as error:
                raise Retry(code="search_failed", message="the answer makes no sense") from error
        if found.error is not None:
            raise Fatal("search_failed", found.error)
        return [fitting([_citation(hit) for hit in hits], retrieval) for hits in found.hits]


class Answerer:
    """Answers questions in one way."""

    def __init__(self, answering: Answering, asker: PatientAsker, finder: Finder | None) -> None:
        self._answering = answering
        self._asker = asker
        self._finder = finder

    async def find(self, texts: Sequence[str]) -> list[tuple[Citation, ...]]:
        """The passages of each question: none, where there is no vector database."""
        if self._finder is None:
            return [()] * len(texts)
        return await self._finder.find(texts)

    async def ask(
        self, text: str, citations: Sequence[Citation], history: Sequence[Said] = ()
    ) -> tuple[Reply, float]:
        """What the model answers, and how many seconds it took. Raises Fatal, Retry."""
        generation = self._answering.generation
        model = self._answering.model.name
        question = question_to(model, generation, citations, history, text)
        reply, seconds = await self._asker.ask_timed(question, partial(read_reply, question))
        # As JSON, since it is kept so: of control characters each is six.
        if len(msgspec.json.encode(reply.text)) > ANSWER_BYTES_MAX:
            raise Fatal(
                "answer_too_large", f"the answer has more than {ANSWER_BYTES_MAX} bytes as JSON"
            )
        return reply, seconds


@asynccontextmanager
async def open_answerer(
    answering: Answering, context: Context, children: LockedChildren
) -> AsyncIterator[Answerer]:
    """What answers in this way until the context ends. Raises Retry where no model is reached."""
    passages, model = answering.passages, answering.model
    folder = own_folder(context.workdir, answering.files, answering.folder)
    async with AsyncExitStack() as stack:
        try:
            opening = open_endpoint(model, context.secrets.get(answering.key_name), folder=folder)
            endpoint = await stack.enter_async_context(opening)
        except Unavailable as error:
            raise Retry(code="backend_unavailable", message=error.message) from error
        finder = None
        if passages is not None:
            embedder = None
            if passages.embedder is not None:
                name, key_name = passages.embedding_model, passages.key_name
                embedder = await stack.enter_async_context(
                    open_embedder(name, passages.embedder, children, context, key_name)
                )
            finder = Finder(passages, context, children, embedder)
        yield Answerer(answering, PatientAsker(model, endpoint), finder)


def _citation(hit: Hit) -> Citation:
    return Citation(
        document=hit.document,
        page=hit.page,
        chunk=hit.chunk,
        text=hit.text,
        score=hit.score,
        metadata=hit.metadata,
    )
