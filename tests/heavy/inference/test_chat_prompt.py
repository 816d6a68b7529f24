"""A chat prompt with real weights: it is answered with what was found, and not without it."""

import json

import pytest

GENAI = "/api/v2/genai"
FACTS = [
    "The door of the town hall of Oakford is painted crimson.",
    "Penguins swim in the cold southern seas and cannot fly.",
    "Yeast eats sugar in the dough and gives off gas, which makes bread rise.",
]
# The weights complete texts: what they go on with stands on a line of its own.
QUESTION = "\n\nThe door of the town hall of Oakford is painted"


@pytest.fixture(scope="module")
def blueprints(server, model):
    """The ids of two blueprints with the same model; the first has a vector database."""
    with server.client() as client:
        client.datasets.create("facts")
        path = server.data.parent / "facts.jsonl"
        path.write_text("".join(json.dumps({"document": fact}) + "\n" for fact in FACTS))
        client.datasets.upload("facts", path)
        built = client.submit("build_vector_database", {"name": "facts", "dataset": "facts"})
        vector_database = client.wait(built.id).result["vector_database"]
    with server.http(GENAI) as http:
        made = http.post(server.url + "/api/v2/useCases/", json={"name": "facts"}).json()
        body = {"name": "facts", "useCaseId": made["id"]}
        playground = http.post("/playgrounds/", json=body).json()
        settings = {"temperature": 0, "maxCompletionLength": 4}
        body = {"playgroundId": playground["id"], "llmId": model, "llmSettings": settings}
        found = {"vectorDatabaseId": vector_database, "name": "finding"}
        answers = [
            http.post("/llmBlueprints/", json=body | more) for more in (found, {"name": "guessing"})
        ]
        return [answer.raise_for_status().json()["id"] for answer in answers]


def test_a_model_says_what_it_was_given(server, blueprints):
    said = []
    with server.http() as http, server.client() as client:
        for blueprint in blueprints:
            spec = {"text": QUESTION, "llm_blueprint": blueprint, "retrieval": {"chunks": 2}}
            ended = client.wait(client.submit("chat_prompt", spec).id)
            assert ended.state == "succeeded", ended.failure
            said.append(ended.result)
        shown = http.get(f"{GENAI}/chatPrompts/").json()["data"]
    finding, guessing = said
    assert "crimson" in finding["text"]
    assert "crimson" not in guessing["text"]
    assert finding["citations"][0]["text"] == FACTS[0]
    assert finding["citations"][0]["score"] > finding["citations"][1]["score"]
    assert guessing["citations"] == []
    assert finding["prompt_tokens"] > guessing["prompt_tokens"] > 5
    assert finding["completion_tokens"] == 4
    assert [one["resultText"] for one in shown] == [finding["text"], guessing["text"]]


def test_an_evaluation_tells_the_one_that_finds_from_the_one_that_guesses(server, blueprints):
    row = {"question": QUESTION, "answer": "crimson", "passage": FACTS[0]}
    with server.client() as client:
        client.datasets.create("questions")
        path = server.data.parent / "questions.jsonl"
        path.write_text(json.dumps(row) + "\n")
        client.datasets.upload("questions", path)
        columns = {"question": "question", "answer": "answer", "passage": "passage"}
        spec = {"dataset": "questions", "columns": columns, "llm_blueprints": blueprints}
        ended = client.wait(client.submit("evaluate_chat", spec).id)
    assert ended.state == "succeeded", ended.failure
    finding, guessing = (one["measures"] for one in ended.result["blueprints"])
    assert (finding["retrieval_hit_rate"], guessing["retrieval_hit_rate"]) == (1.0, 0.0)
    assert finding["token_f1"] > guessing["token_f1"] == 0.0
    assert finding["failures"] == guessing["failures"] == 0
