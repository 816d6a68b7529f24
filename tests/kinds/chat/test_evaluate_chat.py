"""Evaluations ask real questions of blueprints, by real attempts, and measure what comes back."""

import asyncio
import json

import pytest
from chats_for_tests import animal_database, blueprint
from killing import kill_handlers
from lake import ANN, BEN
from model_double import Fault
from vectors import keep_rows

from outlast.executors.calls import Sandbox
from outlast.operations.errors import Conflict, Forbidden, InvalidSpec, NotFound
from outlast.resources.evaluations import Evaluations
from outlast.resources.evaluations.model import Columns, QuestionSetDocument
from outlast.resources.playgrounds import model
from outlast.resources.playgrounds.model import Retrieval

COLUMNS = Columns(question="question", answer="answer", source="source")


def question(text, answer, source):
    return {"question": text, "answer": answer, "source": source}


QUESTIONS = [
    question("Who hunts at night?", "?thgin ta stnuh ohW", "birds.txt"),
    question("Who spins a web?", "a spider spins", "spiders.txt"),
    question("Who hunts mice by day?", "yad yb mice", "birds.txt"),
    question("What is this?", "web", "spiders.txt"),
]


async def rows_of(lake, dataset):
    datasets = lake.foundation.datasets(Sandbox(lake.foundation.launcher))
    pieces = [one async for one in datasets.export(ANN, dataset, format="jsonl")]
    return [json.loads(line) for line in b"".join(pieces).splitlines()]


async def test_blueprints_are_measured_by_what_they_find_and_answer(lake, double):
    await lake.work()
    zoo = await animal_database(lake)
    finding = await blueprint(lake, vector_database=zoo, retrieval=Retrieval(chunks=1))
    guessing = await blueprint(lake)
    await keep_rows(lake, "questions", QUESTIONS, ANN)
    evaluations = Evaluations(lake.store)
    made = await evaluations.create_question_set(
        ANN, QuestionSetDocument(name="animals", dataset="questions", columns=COLUMNS)
    )
    double.fault = lambda request: (
        Fault(status=400, message="not that") if request.text == "What is this?" else None
    )
    result = await lake.result(
        "evaluate_chat",
        question_set=made.id,
        llm_blueprints=[finding.id, guessing.id],
        name="first",
    )
    [evaluation] = await evaluations.find(ANN)
    assert (evaluation.status, evaluation.created_by) == ("completed", "ann")
    first, second = (one.measures for one in evaluation.document.blueprints)
    assert (first.questions, first.failures) == (4, 1)
    assert (first.retrieval_hit_rate, second.retrieval_hit_rate) == (0.5, 0.0)
    # The parrot says: ?thgin ta stnuh ohW, ?bew a snips ohW, ?yad yb ecim stnuh ohW.
    assert first.exact_match == pytest.approx(1 / 3)
    assert first.token_f1 == pytest.approx((1 + 2 / 7 + 4 / 8) / 3)
    assert first.answer_in_passages == 0.25
    assert second.answer_in_passages is None
    assert first.latency_p95_ms >= first.latency_p50_ms > 0
    assert first.prompt_tokens > second.prompt_tokens > 0
    assert [one["measures"]["failures"] for one in result["blueprints"]] == [1, 1]
    rows = await rows_of(lake, result["dataset"])
    assert [(row["row"], row["error"]) for row in rows[:4]] == [
        (1, None),
        (2, None),
        (3, None),
        (4, "not that"),
    ]
    assert rows[0]["sources"] == ["birds.txt"]
    assert (rows[0]["answer"], rows[0]["exact_match"]) == ("?thgin ta stnuh ohW", True)
    # What stands for it in a playground is a chat that takes no prompts.
    chat = evaluation.document.blueprints[0].chat
    with pytest.raises(Conflict, match="takes no prompts"):
        await lake.submit("chat_prompt", text="x", chat=chat)
    with pytest.raises(Forbidden):
        await evaluations.forget(BEN, blueprints=[finding.id], chats=[])
    await evaluations.forget(ANN, blueprints=[finding.id], chats=[])
    assert [one.llm_blueprint for one in (await evaluations.find(ANN))[0].document.blueprints] == [
        guessing.id
    ]
    await evaluations.forget(ANN, blueprints=[], chats=[])
    assert await evaluations.find(ANN) == []
    assert await lake.playgrounds.chats.find(ANN) == []


async def test_killed_in_the_midst_it_asks_nothing_again_that_it_has_counted(lake, double):
    await lake.work()
    made = await blueprint(lake)
    rows = [{"question": f"question {number}"} for number in range(30)]
    await keep_rows(lake, "many", rows, ANN)
    double.fault = lambda _: Fault(seconds=0.05)
    operation = await lake.submit(
        "evaluate_chat",
        dataset="many",
        columns={"question": "question"},
        llm_blueprints=[made.id],
    )
    await answered(double, 11)
    assert kill_handlers(lake.foundation.folder.work) == 1
    ended = await lake.ended(operation)
    assert (ended.state, ended.attempt) == ("succeeded", 2), ended.failure
    # Each question was asked, and again only those eight that were under way then.
    assert set(double.seen) == {row["question"] for row in rows}
    assert sum(count - 1 for count in double.seen.values()) <= 8
    [evaluation] = await Evaluations(lake.store).find(ANN)
    [one] = evaluation.document.blueprints
    assert (one.measures.questions, one.measures.failures) == (30, 0)
    assert (ended.progress.done, ended.progress.total) == (30, 30)


async def answered(double, count):
    """Wait until so many questions are answered."""
    async with asyncio.timeout(20):
        while True:
            if double.answered.total() >= count:
                return
            await asyncio.sleep(0.01)


async def test_what_cannot_be_evaluated_is_refused_at_once(lake):
    made = await blueprint(lake)
    nobody = await blueprint(lake, llm=None)
    await keep_rows(lake, "questions", QUESTIONS, ANN)
    columns = {"question": "question"}
    good = {"dataset": "questions", "columns": columns, "llm_blueprints": [made.id]}
    for change, error in (
        ({"llm_blueprints": []}, InvalidSpec),
        ({"llm_blueprints": [made.id] * 11}, InvalidSpec),
        ({"llm_blueprints": [nobody.id]}, InvalidSpec),
        ({"llm_blueprints": ["ABC"]}, NotFound),
        ({"dataset": "none"}, NotFound),
        ({"columns": None}, InvalidSpec),
        ({"columns": {"question": "none"}}, InvalidSpec),
        ({"question_set": "ABC"}, InvalidSpec),
        ({"question_set": "ABC", "dataset": None, "columns": None}, NotFound),
    ):
        with pytest.raises(error):
            await lake.submit("evaluate_chat", **good | change)
    for type_ in ("chat_evaluation", "chat"):
        assert await lake.store.catalog.find("default", type_) == []


async def test_what_would_be_one_too_many_is_refused_whoever_makes_it(lake, monkeypatch):
    monkeypatch.setattr(model, "THINGS_MAX", 1)
    made = await blueprint(lake)
    await keep_rows(lake, "questions", QUESTIONS, ANN)
    chat = await lake.playgrounds.create_chat(ANN, made.id, "only")
    with pytest.raises(InvalidSpec, match="an LLM blueprint has at most 1 chats"):
        await lake.playgrounds.create_chat(ANN, made.id, "another")
    with pytest.raises(InvalidSpec, match="an LLM blueprint has at most 1 chats"):
        await lake.submit(
            "evaluate_chat",
            dataset="questions",
            columns={"question": "question"},
            llm_blueprints=[made.id],
        )
    await lake.submit("chat_prompt", text="x", chat=chat.id)
    with pytest.raises(InvalidSpec, match="a chat has at most 1 prompts"):
        await lake.submit("chat_prompt", text="x", chat=chat.id)
    with pytest.raises(InvalidSpec, match="a playground has at most 1 LLM blueprints"):
        await lake.playgrounds.create_blueprint(ANN, made.document)
