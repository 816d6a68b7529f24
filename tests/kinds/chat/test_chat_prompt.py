"""Chat prompts are answered by real attempts, with what a real vector database has of them."""

import asyncio
from typing import ClassVar

import pytest
from chats_for_tests import animal_database, blueprint
from killing import kill_handlers
from lake import ANN, BEN, OPERATOR
from model_double import Fault

from outlast.engine import Principal, Role
from outlast.inference.models import ServedModel
from outlast.kinds import chat_prompt
from outlast.kinds.chat.plan import Answering, ChatPlan
from outlast.operations.errors import Conflict, Forbidden, InvalidSpec, NotFound
from outlast.resources.playgrounds.model import Generation

FOREIGNER = Principal(tenant="away", member="fred", role=Role.ADMIN)


async def ask(lake, **spec):
    """The chat prompt that an operation has just answered, or failed to."""
    operation = await lake.submit("chat_prompt", **spec)
    ended = await lake.ended(operation)
    return await lake.playgrounds.get_prompt(ANN, ended.resource_id), ended


async def test_a_question_is_answered_with_the_passages_that_are_near_to_it(lake, double):
    await lake.work()
    made = await blueprint(lake, vector_database=await animal_database(lake))
    prompt, ended = await ask(lake, text="Who hunts at night?", llm_blueprint=made.id)
    assert (prompt.status, prompt.error) == ("completed", None), ended.failure
    answer = prompt.answer
    assert answer.text == "?thgin ta stnuh ohW"
    assert [(one.document, one.page) for one in answer.citations] == [
        ("birds.txt", 7),
        ("cats.txt", None),
    ]
    assert answer.citations[0].text == "The owl hunts at night."
    assert answer.citations[0].score > answer.citations[1].score > 0
    assert answer.citations[1].metadata == {"legs": 4}
    [body] = double.asked
    assert (body["max_tokens"], body["temperature"]) == (50, 0.5)
    assert "top_p" not in body
    system, user = body["messages"]
    assert system["content"].startswith("Be brief.\n\n")
    assert "[1] birds.txt, page 7\nThe owl hunts at night." in system["content"]
    assert user == {"role": "user", "content": "Who hunts at night?"}
    assert answer.prompt_tokens > answer.passage_tokens > 10
    assert answer.completion_tokens == len("Who hunts at night?") // 4 + 1
    assert answer.latency_ms > 0
    assert prompt.created_by == "ann"


async def test_what_was_said_in_a_chat_is_told_where_the_blueprint_wants_it(lake, double):
    await lake.work()
    aware = await blueprint(lake)
    chat = await lake.playgrounds.create_chat(ANN, aware.id, "first")
    operations = [
        await lake.submit("chat_prompt", text=text, chat=chat.id) for text in ("one", "two", "six")
    ]
    ended = [await lake.ended(one) for one in operations]
    assert [one["messages"][1:] for one in double.asked] == [
        [user("one")],
        [user("one"), assistant("eno"), user("two")],
        [user("one"), assistant("eno"), user("two"), assistant("owt"), user("six")],
    ]
    last = await lake.playgrounds.get_prompt(ANN, ended[2].resource_id)
    assert list(last.answer.history) == [one.resource_id for one in ended[:2]]
    unaware = await blueprint(lake, is_history_aware=False)
    for text in ("one", "two"):
        await ask(lake, text=text, llm_blueprint=unaware.id)
    assert double.asked[-1]["messages"][1:] == [user("two")]
    # Prompts that name no chat are in the blueprint's oldest one, which the first has made.
    [only] = await lake.playgrounds.chats.find(ANN, llm_blueprint=unaware.id)
    assert await lake.playgrounds.count(ANN, "chat_prompt", chat=only.id) == 2


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


async def test_a_prompt_has_its_own_filters_settings_and_limits(lake, double):
    await lake.work()
    zoo = await animal_database(lake)

    async def asked(text, **spec):
        made = await blueprint(lake)
        spec = {"text": text, "llm_blueprint": made.id, "vector_database": zoo} | spec
        prompt, _ = await ask(lake, **spec)
        return prompt.answer.citations

    above = {"type": "field", "field": "legs", "operator": "above", "values": [5]}
    filtered, cut, nothing = await asyncio.gather(
        asked("one", filters={"legs": [4, 8]}, where=above, generation={"top_p": 0.1}),
        asked("two", vector_database="zoo", retrieval={"chunks": 3, "tokens_max": 3}),
        asked("three", filters={"legs": 99}),
    )
    assert [one.document for one in filtered] == ["spiders.txt"]
    assert [len(one.text) for one in cut] == [12]
    assert nothing == ()
    [body] = [body for body in double.asked if body["messages"][-1]["content"] == "one"]
    assert body["top_p"] == 0.1
    assert "temperature" not in body


async def test_a_killed_prompt_is_asked_again_and_answered_once(lake, double):
    made = await blueprint(lake)
    double.fault = lambda request: Fault(seconds=30) if request.number == 1 else None
    operation = await lake.submit("chat_prompt", text="hello", llm_blueprint=made.id)
    prompt = await lake.playgrounds.get_prompt(ANN, operation.resource_id)
    assert (prompt.status, prompt.answer, prompt.created_by) == ("new", None, "ann")
    await lake.work()
    await asked_of(double)
    assert (await lake.playgrounds.get_prompt(ANN, prompt.id)).status == "running"
    assert kill_handlers(lake.foundation.folder.work) == 1
    ended = await lake.ended(operation)
    assert (ended.state, ended.attempt) == ("succeeded", 2), ended.failure
    assert (await lake.playgrounds.get_prompt(ANN, prompt.id)).answer.text == "olleh"
    assert [len(double.requests), double.answered["hello"]] == [2, 1]


async def asked_of(double):
    """Wait until the model is asked."""
    async with asyncio.timeout(20):
        while True:
            if double.requests:
                return
            await asyncio.sleep(0.01)


async def test_what_cannot_be_asked_is_refused_at_once_and_leaves_nothing(lake):
    made = await blueprint(lake, llm=None)
    with pytest.raises(InvalidSpec, match=r"no model is named.*\[backends.NAME\]"):
        await lake.submit("chat_prompt", text="hello", llm_blueprint=made.id)
    for spec, error in (
        ({"text": "hello"}, InvalidSpec),
        ({"text": " ", "llm_blueprint": made.id, "llm": "parrot"}, InvalidSpec),
        ({"text": "x" * 20_001, "llm_blueprint": made.id, "llm": "parrot"}, InvalidSpec),
        ({"text": "hello", "llm_blueprint": "ABC", "llm": "parrot"}, NotFound),
        ({"text": "hello", "llm_blueprint": made.id, "llm": "none"}, NotFound),
        (
            {"text": "hello", "llm_blueprint": made.id, "llm": "parrot", "vector_database": "no"},
            NotFound,
        ),
    ):
        with pytest.raises(error):
            await lake.submit("chat_prompt", **spec)
    with pytest.raises(NotFound):
        await lake.submit("chat_prompt", FOREIGNER, text="x", llm_blueprint=made.id, llm="parrot")
    assert await lake.playgrounds.find_prompts(ANN) == []
    assert await lake.playgrounds.chats.find(ANN) == []


async def test_a_model_that_refuses_leaves_a_prompt_that_says_why(lake, double):
    await lake.work()
    made = await blueprint(lake)
    double.fault = lambda _: Fault(status=400, message="the prompt is too long")
    prompt, ended = await ask(lake, text="hello", llm_blueprint=made.id)
    assert (prompt.status, prompt.error) == ("failed", "the prompt is too long")
    assert (prompt.answer, prompt.created_by) == (None, "ann")
    assert ended.failure.code == "backend_refused"
    with pytest.raises(Conflict, match="no answer"):
        await lake.playgrounds.give_feedback(ANN, prompt.id, is_good=True)


async def test_feedback_is_each_members_own_and_what_is_deleted_takes_along_what_is_in_it(lake):
    made = await blueprint(lake)
    operations = [
        await lake.submit("chat_prompt", text=text, llm_blueprint=made.id)
        for text in ("one", "two")
    ]
    playground = made.document.playground
    with pytest.raises(Conflict, match="is being answered: cancel the operation"):
        await lake.playgrounds.delete(ANN, "playground", playground)
    with pytest.raises(Conflict, match="is being answered: cancel the operation"):
        await lake.playgrounds.delete_prompt(ANN, operations[0].resource_id)
    await lake.work()
    one, two = [(await lake.ended(operation)).resource_id for operation in operations]
    await lake.playgrounds.give_feedback(ANN, one, is_good=True)
    await lake.playgrounds.give_feedback(BEN, one, is_good=True)
    rated = await lake.playgrounds.give_feedback(ANN, one, is_good=False)
    assert rated.document.feedback == {"ann": False, "ben": True}
    assert rated.answer.text == "eno"
    for principal, error in ((BEN, Forbidden), (FOREIGNER, NotFound)):
        with pytest.raises(error):
            await lake.playgrounds.delete(principal, "playground", playground)
        with pytest.raises(error):
            await lake.playgrounds.delete_prompt(principal, one)
    await lake.playgrounds.delete_prompt(ANN, one)
    with pytest.raises(NotFound):
        await lake.playgrounds.get_prompt(ANN, one)
    [left] = await lake.store.catalog.find("default", "chat_answer")
    assert left.id == two
    await lake.playgrounds.delete(OPERATOR, "playground", playground)
    for type_ in ("playground", "llm_blueprint", "chat", "chat_prompt", "chat_answer"):
        assert await lake.store.catalog.find("default", type_) == []


async def test_an_answer_that_was_kept_is_published_without_asking():
    class Again:
        last_checkpoint: ClassVar = {"text": "kept", "prompt_tokens": 3, "latency_ms": 5}

    model = ServedModel(name="gone", upstream="gone", url="http://127.0.0.1:9/v1")
    way = Answering(
        model=model, key_name="k", folder="f", files={}, generation=Generation(), passages=None
    )
    plan = ChatPlan(
        chat_prompt="P", chat="C", text="?", history=(), answering=way, allow_unsandboxed=False
    )
    finish = await chat_prompt.run(plan, Again())
    assert (finish.result.text, finish.result.prompt_tokens) == ("kept", 3)
    assert finish.writes[0].answer.text == "kept"
