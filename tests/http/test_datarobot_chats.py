"""Playgrounds, blueprints, chats, prompts and evaluations at the DataRobot door."""

import json

import pytest
from publications import publication
from serving import Serving

from outlast.dialects.datarobot.ids import show_id
from outlast.kinds import chat_prompt, evaluate_chat
from outlast.operations import ids, transitions
from outlast.resources.evaluations import EvaluationPublisher
from outlast.resources.evaluations.model import Measures, NewMeasures
from outlast.resources.playgrounds import AnswerPublisher
from outlast.resources.playgrounds.model import Answer, Citation, NewAnswer
from outlast.settings import Backend
from outlast.store.port import Change

GENAI = "/api/v2/genai"
NOBODYS = "01a202cf-48cb-878f-aa9a-41948d800000"
CITED = Citation(document="birds.txt", page=7, chunk=3, text="Owls hunt.", score=0.9)


@pytest.fixture
async def serving(tmp_path):
    backends = {"double": Backend(url="http://127.0.0.1:9/v1", models=("parrot", "other"))}
    made = Serving(tmp_path, kinds=[*chat_prompt.kinds, *evaluate_chat.kinds], backends=backends)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def client(serving):
    return serving.client("admin")


async def ask(client, method, path, body=None, status=200):
    answer = await client.request(method, f"{GENAI}/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def a_playground(client):
    made = await client.post("/api/v2/useCases/", json={"name": "zoo"})
    assert made.status_code == 201, made.text
    body = {"name": "zoo", "useCaseId": made.json()["id"], "description": ""}
    return await ask(client, "POST", "playgrounds/", body, 201)


async def a_blueprint(client, playground=None, **fields):
    playground = playground or await a_playground(client)
    body = {"playgroundId": playground["id"], "name": "night", "llmId": "parrot"} | fields
    return await ask(client, "POST", "llmBlueprints/", body, 201)


async def publish(serving, publisher, wish, tmp_path):
    """Have the operation that waits succeed with what an attempt would publish."""
    [operation] = await serving.claim()
    writes = await publisher(serving.store.catalog).publish(
        publication(wish, tmp_path, operation.id, created_by=operation.created_by)
    )
    token = operation.lease.token
    change = Change(
        id=operation.id,
        tenant=None,
        decide=lambda stored, now: transitions.succeed(stored, token, b"{}", now),
        writes=writes,
    )
    [ended] = await serving.store.operations.apply([change])
    return ended


async def test_a_prompt_is_new_until_it_is_answered_and_its_status_leads_to_it(
    serving, client, tmp_path
):
    blueprint = await a_blueprint(client)
    body = {
        "text": "Who hunts?",
        "llmBlueprintId": blueprint["id"],
        "llmSettings": {"temperature": 0.5},
        "metadataFilter": {"$or": [{"legs": {"$gte": 2}}, {"name": "owl", "kind": "bird"}]},
    }
    answer = await client.post(f"{GENAI}/chatPrompts/", json=body)
    assert answer.status_code == 202, answer.text
    prompt, location = answer.json(), answer.headers["location"]
    assert location.startswith("http://outlast/api/v2/genai/status/")
    assert (prompt["executionStatus"], prompt["resultText"], prompt["citations"]) == (
        "NEW",
        None,
        [],
    )
    assert prompt["metadataFilter"] == body["metadataFilter"]
    assert prompt["llmSettings"] == {"temperature": 0.5}
    id = (await serving.store.catalog.find("default", "chat_prompt"))[0].id
    answered = Answer(
        text="The owl.", citations=(CITED,), prompt_tokens=9, completion_tokens=3, latency_ms=12
    )
    await publish(serving, AnswerPublisher, NewAnswer(chat_prompt=id, answer=answered), tmp_path)
    polled = await client.get(location)
    assert polled.status_code == 303
    assert polled.headers["location"] == f"http://outlast{GENAI}/chatPrompts/{prompt['id']}/"
    done = (await client.get(polled.headers["location"])).json()
    assert (done["executionStatus"], done["resultText"]) == ("COMPLETED", "The owl.")
    assert done["citations"] == [
        {
            "text": "Owls hunt.",
            "source": "birds.txt",
            "similarityScore": 0.9,
            "metadata": {},
            "page": 7,
            "chunkId": 3,
        }
    ]
    counts = done["resultMetadata"]
    assert (counts["totalTokenCount"], counts["latencyMilliseconds"]) == (12, 12)
    liked = {"feedbackMetadata": {"feedback": "1"}}
    rated = await ask(client, "PATCH", f"chatPrompts/{prompt['id']}/", liked)
    assert rated["resultMetadata"]["feedbackResult"] == {
        "positiveUserIds": ["admin-1"],
        "negativeUserIds": [],
    }
    copied = {"chatPromptId": prompt["id"], "name": "copy"}
    made = await ask(client, "POST", "llmBlueprints/fromChatPrompt/", copied, 201)
    assert (made["llmSettings"], made["llmId"]) == ({"temperature": 0.5}, "parrot")
    [chat] = (await ask(client, "GET", f"chats/?llmBlueprintId={blueprint['id']}"))["data"]
    assert (chat["name"], chat["promptsCount"], chat["isFrozen"]) == ("night", 1, False)
    found = await ask(client, "GET", f"chatPrompts/?chatId={chat['id']}&limit=1")
    assert [one["id"] for one in found["data"]] == [prompt["id"]]
    await ask(client, "DELETE", f"chatPrompts/{prompt['id']}/", status=204)
    await ask(client, "DELETE", f"chats/{chat['id']}/", status=204)
    await ask(client, "GET", f"chats/{chat['id']}/", status=404)


async def test_blueprints_are_listed_changed_copied_and_locked_when_they_are_saved(client):
    playground = await a_playground(client)
    settings = {
        "maxDocumentsRetrievedPerPrompt": 3,
        "retrievalMode": "maximal_marginal_relevance",
        "maximalMarginalRelevanceLambda": 0.2,
        "addNeighborChunks": True,
    }
    first = await a_blueprint(client, playground, vectorDatabaseSettings=settings)
    assert (first["promptType"], first["vectorDatabaseSettings"]) == ("CHAT_HISTORY_AWARE", None)
    second = await ask(
        client,
        "POST",
        "llmBlueprints/fromLLMBlueprint/",
        {"llmBlueprintId": first["id"], "name": "another"},
        201,
    )
    path = f"llmBlueprints/{second['id']}/"
    changed = await ask(
        client,
        "PATCH",
        path,
        {"llmId": "other", "llmSettings": {"topP": 0.5}, "promptType": "ONE_TIME_PROMPT"},
    )
    assert (changed["llmId"], changed["llmSettings"]) == ("other", {"topP": 0.5})
    assert changed["promptType"] == "ONE_TIME_PROMPT"
    await ask(client, "PATCH", path, {"isSaved": True, "isStarred": True})
    await ask(client, "PATCH", path, {"llmSettings": {"topP": 0.1}}, 409)
    assert (await ask(client, "PATCH", path, {"name": "kept"}))["name"] == "kept"
    for query, names in (
        ("", ["kept", "night"]),
        ("?sort=name", ["kept", "night"]),
        ("?sort=-name", ["night", "kept"]),
        ("?isSaved=True", ["kept"]),
        ("?isStarred=false", ["night"]),
        ("?llmIds=parrot&llmIds=none", ["night"]),
        (f"?playgroundId={NOBODYS}", []),
        (f"?vectorDatabases={NOBODYS}", []),
        (f"?playgroundId={playground['id']}&limit=1&offset=1", ["night"]),
    ):
        listed = await ask(client, "GET", f"llmBlueprints/{query}")
        assert [one["name"] for one in listed["data"]] == names, query
    shown = await ask(client, "GET", f"playgrounds/{playground['id']}/")
    assert (shown["llmBlueprintsCount"], shown["savedLLMBlueprintsCount"]) == (2, 1)
    await ask(client, "DELETE", f"llmBlueprints/{first['id']}/", status=204)
    await ask(client, "DELETE", f"playgrounds/{playground['id']}/", status=204)
    assert (await ask(client, "GET", "llmBlueprints/"))["data"] == []


async def test_models_are_those_of_the_backends(client):
    listed = await ask(client, "GET", "llms/?limit=1")
    assert (listed["totalCount"], [one["id"] for one in listed["data"]]) == (2, ["parrot"])
    assert [one["id"] for one in listed["data"][0]["settings"]] == [
        "systemPrompt",
        "maxCompletionLength",
        "temperature",
        "topP",
    ]


async def test_what_makes_no_sense_is_said_of_the_field_that_was_sent(client):
    blueprint = await a_blueprint(client)
    prompt = {"text": "x", "llmBlueprintId": blueprint["id"]}
    for path, body, status, field in (
        ("chatPrompts/", {"text": "x"}, 422, "chatId"),
        ("chatPrompts/", prompt | {"text": ""}, 422, "text"),
        ("chatPrompts/", prompt | {"llmBlueprintId": "no"}, 422, "llmBlueprintId"),
        ("chatPrompts/", prompt | {"llmBlueprintId": NOBODYS}, 404, None),
        ("chatPrompts/", prompt | {"llmId": "none"}, 404, "llmId"),
        (
            "chatPrompts/",
            prompt | {"llmSettings": {"temperature": 3}},
            422,
            "llmSettings.temperature",
        ),
        ("chatPrompts/", prompt | {"llmSettings": {"validationId": "x"}}, 501, None),
        ("chatPrompts/", prompt | {"metadataFilter": {"$not": []}}, 422, "metadataFilter"),
        ("chatPrompts/", prompt | {"metadataFilter": {"a": {"$gt": "x"}}}, 422, "metadataFilter"),
        ("playgrounds/", {"name": "x", "useCaseId": NOBODYS}, 404, None),
        ("playgrounds/", {"name": "x", "useCaseId": "x"}, 422, "useCaseId"),
        ("chats/", {"name": "x", "llmBlueprintId": NOBODYS}, 404, None),
        (
            "llmBlueprints/",
            {
                "playgroundId": blueprint["playgroundId"],
                "name": "x",
                "vectorDatabaseSettings": {"retriever": "MULTI_STEP_RETRIEVER"},
            },
            422,
            "vectorDatabaseSettings.retriever",
        ),
    ):
        refused = await ask(client, "POST", path, body, status)
        assert (field is None) or list(refused["errors"]) == [field], (body, refused)
    for path in ("playgrounds/?sort=x", "llmBlueprints/?isSaved=maybe", "chats/?llmBlueprintId=x"):
        await ask(client, "GET", path, status=422)


async def test_an_evaluation_is_a_job_and_each_measure_a_line(serving, client, tmp_path):
    blueprint = await a_blueprint(client)
    playground = await ask(client, "GET", f"playgrounds/{blueprint['playgroundId']}/")
    row = {"q": "Who hunts?", "a": "The owl", "source": "birds.txt", "n": 1}
    created = await client.post("/v1/datasets", json={"name": "questions"})
    uploaded = await client.post(
        "/v1/datasets/questions/versions",
        content=json.dumps(row).encode(),
        headers={"content-type": "application/jsonl"},
    )
    assert uploaded.status_code in {200, 201}, uploaded.text
    body = {
        "name": "animals",
        "useCaseId": playground["useCaseId"],
        "playgroundId": playground["id"],
        "datasetId": show_id(created.json()["id"]),
        "promptColumnName": "q",
        "responseColumnName": "a",
    }
    path = "evaluationDatasetConfigurations/"
    refused = await ask(client, "POST", path, body | {"promptColumnName": "n"}, 422)
    assert list(refused["errors"]) == ["promptColumnName"]
    await ask(client, "POST", path, body | {"toolCallsColumnName": "a"}, 501)
    questions = await ask(client, "POST", path, body, 201)
    assert (questions["rowsCount"], questions["datasetName"]) == (1, "questions")
    assert (questions["executionStatus"], questions["correctnessEnabled"]) == ("COMPLETED", True)
    listed = await ask(client, "GET", f"{path}?useCaseId={playground['useCaseId']}&search=ANI")
    assert [one["id"] for one in listed["data"]] == [questions["id"]]
    insights = await ask(client, "GET", f"playgrounds/{playground['id']}/supportedInsights/")
    aggregations = "evaluationDatasetMetricAggregations/"
    wanted = {
        "chatName": "first",
        "llmBlueprintIds": [blueprint["id"]],
        "evaluationDatasetConfigurationId": questions["id"],
        "insightsConfiguration": insights["insightsConfiguration"],
    }
    await ask(client, "POST", aggregations, wanted | {"insightsConfiguration": [{}]}, 422)
    job = (await ask(client, "POST", aggregations, wanted, 202))["jobId"]
    assert (await ask(client, "GET", f"status/{job}/"))["status"] == "INITIALIZED"
    assert (await ask(client, "GET", aggregations))["data"] == []
    assert len((await ask(client, "GET", f"{aggregations}?nonErroredOnly=false"))["data"]) == 7
    [kept] = await serving.store.catalog.find("default", "chat_evaluation")
    measures = Measures(questions=1, failures=0, retrieval_hit_rate=1.0, latency_p50_ms=5.0)
    wish = NewMeasures(evaluation=kept.id, measures=(measures,), answers="x", answers_version="y")
    await publish(serving, EvaluationPublisher, wish, tmp_path)
    assert (await ask(client, "GET", f"status/{job}/"))["status"] == "COMPLETED"
    lines = (await ask(client, "GET", f"{aggregations}?sort=metricName"))["data"]
    assert [(one["metricName"], one["aggregationValue"]) for one in lines] == [
        ("Failures", 0),
        ("Latency, median (ms)", 5.0),
        ("Retrieval hit rate", 1.0),
    ]
    assert {one["chatName"] for one in lines} == {"first"}
    assert {one["datasetName"] for one in lines} == {"questions"}
    chat = lines[0]["chatId"]
    assert (await ask(client, "GET", f"chats/{chat}/"))["isFrozen"]
    await ask(client, "POST", "chatPrompts/", {"text": "x", "chatId": chat}, 409)
    for ref in (chat, chat.upper(), ids.decode_any(chat)):
        assert (await ask(client, "GET", f"{aggregations}?chatIds={ref}"))["totalCount"] == 3
    await ask(client, "GET", f"{aggregations}?llmBlueprintIds=x", status=422)
    current = f"{aggregations}?currentConfigurationOnly=true&metricNames=Failures"
    assert len((await ask(client, "GET", current))["data"]) == 1
    settings = {"llmSettings": {"temperature": 0}}
    await ask(client, "PATCH", f"llmBlueprints/{blueprint['id']}/", settings)
    assert (await ask(client, "GET", current))["data"] == []
    await ask(client, "DELETE", aggregations, status=422)
    await ask(client, "DELETE", f"{aggregations}?chatIds={chat}", status=204)
    await ask(client, "GET", f"chats/{chat}/", status=404)
    changed = await ask(client, "PATCH", f"{path}{questions['id']}/", {"name": "new"})
    assert (changed["name"], changed["responseColumnName"]) == ("new", "a")
    await ask(client, "DELETE", f"{path}{questions['id']}/", status=204)
    assert (await ask(client, "GET", path))["totalCount"] == 0


async def test_what_is_another_tenants_is_not_there_and_others_may_not_change_it(serving, client):
    blueprint = await a_blueprint(client)
    playground = blueprint["playgroundId"]
    chat = await ask(
        client, "POST", "chats/", {"name": "c", "llmBlueprintId": blueprint["id"]}, 201
    )
    paths = [
        f"playgrounds/{playground}/",
        f"llmBlueprints/{blueprint['id']}/",
        f"chats/{chat['id']}/",
    ]
    away, other = serving.client("admin", "away"), serving.client("submitter")
    viewer = serving.client("viewer")
    for path in paths:
        await ask(away, "GET", path, status=404)
        await ask(away, "DELETE", path, status=404)
        await ask(viewer, "GET", path)
        await ask(other, "PATCH", path, {"name": "mine"}, 403)
        await ask(other, "DELETE", path, status=403)
    prompt = {"text": "x", "chatId": chat["id"]}
    await ask(viewer, "POST", "chatPrompts/", prompt, 403)
    await ask(away, "POST", "chatPrompts/", prompt, 404)
    assert (await ask(away, "GET", "playgrounds/"))["data"] == []
