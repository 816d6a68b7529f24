"""Runs an evaluation: asks every question of every blueprint once, and measures the answers.

Questions are asked a few at a time. What became of each is in the checkpoint as soon as it is
known; when all of a group are done they are written to a file of the operation, and the checkpoint
counts them. So an attempt that is killed asks again only what was under way.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from outlast.kinds.chat.answering import SEARCHING, Answerer, open_answerer, preloaded
from outlast.kinds.chat.plan import (
    QUESTIONS,
    BlueprintMeasures,
    EvaluationPlan,
    EvaluationResult,
)
from outlast.kinds.chat.scoring import Expected, Score, measure, score_answer, score_retrieval
from outlast.kinds.locked_children import LockedChildren, locked_children
from outlast.kinds.targets import new_version
from outlast.operations.errors import Fatal, Invalid, Retry
from outlast.operations.kind import Context, Finish
from outlast.resources.datasets.calls import ParseArguments
from outlast.resources.datasets.parsing import write_parts
from outlast.resources.datasets.tables import use_one_thread
from outlast.resources.evaluations.model import Measures, NewMeasures
from outlast.resources.playgrounds.model import Citation

GROUP: Final = 8
_ANSWER_CHARS_KEPT: Final = 8000
_SOURCES_KEPT: Final = 20
_SOURCE_CHARS_KEPT: Final = 300
_AS_PARQUET: Final = "answers.parquet"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one question. `error` says why there is no answer."""

    number: int
    score: Score
    sources: tuple[str, ...] = ()
    answer: str | None = None
    error: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: float | None = None


class Progress(msgspec.Struct, kw_only=True):
    """The checkpoint: so many groups of each blueprint are in files, and what is known beside."""

    groups: list[int]
    pending: list[Row] = []
    failures: int = 0


class Evaluating:
    """One attempt of an evaluation."""

    def __init__(self, plan: EvaluationPlan, context: Context) -> None:
        self._plan = plan
        self._context = context
        self._saving = asyncio.Lock()
        self._questions = list(_expected(plan, context))
        self._progress = Progress(groups=[0] * len(plan.ways))
        if context.last_checkpoint is not None:
            self._progress = msgspec.convert(context.last_checkpoint, Progress)

    async def run(self) -> Finish:
        """Ask what is left, and measure all of it. Raises Fatal, Retry."""
        plan = self._plan
        children = locked_children(
            self._context,
            SEARCHING,
            allow_unsandboxed=plan.allow_unsandboxed,
            preload=preloaded(*plan.ways),
        )
        self._report()
        async with children as calls:
            for number in range(len(plan.ways)):
                await self._ask_all(number, calls)
        self._context.report(stage="measuring")
        measures = tuple(self._measures(number) for number in range(len(plan.ways)))
        return await asyncio.to_thread(self._finish, measures)

    async def _ask_all(self, number: int, children: LockedChildren) -> None:
        groups = [
            self._questions[start : start + GROUP]
            for start in range(0, len(self._questions), GROUP)
        ]
        if self._progress.groups[number] == len(groups):
            return
        way = self._plan.ways[number]
        async with open_answerer(way, self._context, children) as answerer:
            for group in groups[self._progress.groups[number] :]:
                if self._context.cancelled:
                    raise asyncio.CancelledError
                await self._ask_group(number, group, answerer)

    async def _ask_group(
        self, number: int, group: Sequence[tuple[int, Expected]], answerer: Answerer
    ) -> None:
        """Ask what is left of a group, and keep the whole."""
        progress = self._progress
        known = {row.number for row in progress.pending}
        left = [(row, expected) for row, expected in group if row not in known]
        if left:
            found = await answerer.find([expected.question for _, expected in left])
            asked = [
                self._ask(row, expected, citations, answerer)
                for (row, expected), citations in zip(left, found, strict=True)
            ]
            failures = [error for error in await asyncio.gather(*asked) if error is not None]
            if failures and len(failures) == len(group):
                # Not one of them was answered: it is the model, and not a question.
                raise failures[0]
        name = _group_name(number, progress.groups[number])
        path = self._context.workdir / name
        path.write_bytes(msgspec.json.encode(sorted(progress.pending, key=lambda row: row.number)))
        await asyncio.to_thread(self._context.files.put, name, path)
        progress.groups[number] += 1
        progress.failures += sum(row.error is not None for row in progress.pending)
        progress.pending = []
        await self._context.checkpoint(progress)
        self._report()

    async def _ask(
        self, row: int, expected: Expected, citations: Sequence[Citation], answerer: Answerer
    ) -> Retry | None:
        """Ask one question and note what became of it; the error of a model that is away."""
        score = score_retrieval(expected, citations)
        sources = tuple(
            dict.fromkeys(one.document[:_SOURCE_CHARS_KEPT] for one in citations[:_SOURCES_KEPT])
        )
        away: Retry | None = None
        try:
            reply, seconds = await answerer.ask(expected.question, citations)
        except (Fatal, Retry) as error:
            done = Row(number=row, score=score, sources=sources, error=error.message)
            away = error if isinstance(error, Retry) else None
        else:
            done = Row(
                number=row,
                score=score_answer(score, expected, reply.text),
                sources=sources,
                answer=reply.text[:_ANSWER_CHARS_KEPT],
                prompt_tokens=reply.prompt_tokens,
                completion_tokens=reply.completion_tokens,
                latency_ms=round(seconds * 1000, 1),
            )
        async with self._saving:
            self._progress.pending.append(done)
            if away is None:
                await self._context.checkpoint(self._progress)
        self._report()
        return away

    def _report(self) -> None:
        progress, size = self._progress, len(self._questions)
        done = sum(min(groups * GROUP, size) for groups in progress.groups)
        failures = progress.failures + sum(row.error is not None for row in progress.pending)
        self._context.report(
            done + len(progress.pending),
            size * len(self._plan.ways),
            unit="questions",
            stage="asking",
            message=f"{failures} without an answer" if failures else None,
        )

    def _rows(self, number: int) -> Iterator[Row]:
        """What became of every question of a blueprint, in order."""
        for group in range(self._progress.groups[number]):
            name = _group_name(number, group)
            path = self._context.workdir / name
            if not path.exists() and not self._context.files.get(name, path):
                raise Fatal("files_lost", f"the operation's file {name!r} is gone")
            yield from msgspec.json.decode(path.read_bytes(), type=list[Row])

    def _measures(self, number: int) -> Measures:
        rows = list(self._rows(number))
        return measure(
            [row.score for row in rows],
            [row.latency_ms for row in rows if row.latency_ms is not None],
            questions=len(rows),
            failures=sum(row.error is not None for row in rows),
            prompt_tokens=sum(row.prompt_tokens for row in rows),
            completion_tokens=sum(row.completion_tokens for row in rows),
        )

    def _finish(self, measures: tuple[Measures, ...]) -> Finish:
        """Publish the measures, and every answer as a dataset."""
        plan, context = self._plan, self._context
        use_one_thread()
        with pq.ParquetWriter(context.workdir / _AS_PARQUET, _SCHEMA) as file:
            for number in range(len(plan.blueprints)):
                file.write_table(self._table(number))
        try:
            call = ParseArguments(file=_AS_PARQUET, format="parquet")
            manifest, files = write_parts(call, context.workdir)
        except Invalid as error:
            raise Fatal("result_too_large", error.message) from error
        version = new_version(
            manifest,
            files,
            dataset=plan.dataset,
            version_name=plan.version_name,
            operation_id=context.operation_id,
        )
        result = EvaluationResult(
            evaluation=plan.evaluation,
            blueprints=tuple(
                BlueprintMeasures(llm_blueprint=blueprint, measures=one)
                for blueprint, one in zip(plan.blueprints, measures, strict=True)
            ),
            dataset=version.dataset,
            version=version.version,
        )
        publication = NewMeasures(
            evaluation=plan.evaluation,
            measures=measures,
            answers=version.dataset,
            answers_version=version.version,
        )
        return Finish(result=result, writes=[version, publication])

    def _table(self, number: int) -> pa.Table:
        """The answers of a blueprint; those of all at once may be more than fits into memory."""
        blueprint = self._plan.blueprints[number]
        shown = [
            _shown(blueprint, row, expected)
            for row, (_, expected) in zip(self._rows(number), self._questions, strict=True)
        ]
        return pa.Table.from_pylist(shown, schema=_SCHEMA)


def _expected(plan: EvaluationPlan, context: Context) -> Iterator[tuple[int, Expected]]:
    """The questions, by the number of their rows, from 1."""
    columns = plan.columns
    with (context.workdir / QUESTIONS).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            row = msgspec.json.decode(line, type=dict[str, Any])
            text = row.get(columns.question)
            if text is None or not text.strip():
                raise Fatal("invalid_rows", f"row {number} has no question")
            yield (
                number,
                Expected(
                    question=text,
                    answer=columns.answer and row.get(columns.answer),
                    source=columns.source and row.get(columns.source),
                    passage=columns.passage and row.get(columns.passage),
                ),
            )


def _group_name(number: int, group: int) -> str:
    return f"answers-{number:02}-{group:05}.json"


def _shown(blueprint: str, row: Row, expected: Expected) -> dict[str, Any]:
    score = row.score
    return {
        "llm_blueprint": blueprint,
        "row": row.number,
        "question": expected.question,
        "expected_answer": expected.answer,
        "answer": row.answer,
        "error": row.error,
        "sources": list(row.sources),
        "retrieval_hit": score.is_hit,
        "answer_in_passages": score.is_answer_in_passages,
        "exact_match": score.is_exact,
        "token_f1": score.token_f1,
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "latency_ms": row.latency_ms,
    }


_FIELDS: Final[list[tuple[str, pa.DataType]]] = [
    ("llm_blueprint", pa.string()),
    ("row", pa.int64()),
    ("question", pa.string()),
    ("expected_answer", pa.string()),
    ("answer", pa.string()),
    ("error", pa.string()),
    ("sources", pa.list_(pa.string())),
    ("retrieval_hit", pa.bool_()),
    ("answer_in_passages", pa.bool_()),
    ("exact_match", pa.bool_()),
    ("token_f1", pa.float64()),
    ("prompt_tokens", pa.int64()),
    ("completion_tokens", pa.int64()),
    ("latency_ms", pa.float64()),
]
_SCHEMA: Final = pa.schema(_FIELDS)
