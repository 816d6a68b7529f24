"""The unmodified client of DataRobot, with its own waiters."""

import pytest
from chats_for_tests import ANIMALS, PARROT
from datarobot_client import ClientError
from vectors import MODEL

ROWS = [{name: one[name] for name in ("document", "document_file_path")} for one in ANIMALS]
QUESTIONS = [
    {"question": "Who hunts at night?", "answer": "?thgin ta stnuh ohW"},
    {"question": "Who spins a web?", "answer": "A spider."},
]


@pytest.fixture
def use_case(connected):
    return connected("use_case", name="Zoo")


def test_it_is_the_release_that_is_promised(client):
    assert client.version == "3.20.0"


@pytest.mark.parametrize("scheme", ["Token", "Bearer"])
def test_it_starts_with_either_scheme_and_not_with_a_bad_key(client, server, scheme):
    endpoint = server.url + "/api/v2"
    client("connect", endpoint=endpoint, token=server.token, token_type=scheme)
    with pytest.raises(ClientError, match="token"):
        client("connect", endpoint=endpoint, token="nonsense", token_type=scheme)


def test_from_a_file_to_a_vector_database_its_versions_and_back(connected, use_case, tmp_path):
    path = tmp_path / "animals.csv"
    path.write_text(
        "document,document_file_path\n"
        + "".join(f"{one['document']},{one['document_file_path']}\n" for one in ANIMALS)
    )
    made = connected("dataset", use_case=use_case, path=str(path))
    assert (made["state"], made["rows"]) == ("COMPLETED", 3)
    assert made["listed"] == [made["id"]]
    wish = {"dataset": made["id"], "use_case": use_case, "model": MODEL}
    first = connected("vector_database", **wish, name="animals")
    assert (first["execution_status"], first["chunks_count"], first["version"]) == (
        "COMPLETED",
        3,
        1,
    )
    assert (first["dataset_name"], first["user_name"]) == ("animals.csv", "admin")
    second = connected("vector_database", **wish, parent_vector_database_id=first["id"])
    assert (second["version"], second["parent_id"]) == (2, first["id"])
    assert second["family_id"] == first["family_id"]
    assert connected("rename_vector_database", id=second["id"], name="beasts") == "beasts"
    listed = connected("vector_databases", use_case=use_case, sort="name", completed_only=True)
    assert listed == ["animals", "beasts"]
    job = connected("export", id=first["id"])
    assert (job["status"], job["checked"]) == ("COMPLETED", "COMPLETED")
    connected("download", dataset=job["dataset"], path=str(tmp_path / "chunks.csv"))
    assert "A spider spins a web." in (tmp_path / "chunks.csv").read_text()
    for one in (first, second):
        connected("delete_vector_database", id=one["id"])
    assert connected("vector_databases", use_case=use_case) == []


def test_documents_are_read_and_what_holds_none_fails_with_a_reason(connected, use_case, tmp_path):
    states = {}
    for name, content in (("rules.md", b"# Rules\n\nOwls may fly."), ("bad.pdf", b"%PDF-1.7 none")):
        path = tmp_path / name
        path.write_bytes(content)
        dataset = connected("dataset", use_case=use_case, path=str(path))["id"]
        built = connected("vector_database", dataset=dataset, use_case=use_case, model=MODEL)
        states[name] = (built["execution_status"], built["error_message"] is None)
        connected("delete_vector_database", id=built["id"])
    assert states == {"rules.md": ("COMPLETED", True), "bad.pdf": ("ERROR", False)}


def test_what_this_server_has_is_told(connected):
    told = connected("support")
    assert told["default"] == "multilingual-e5-small"
    assert told["methods"] == ["recursive"]
    assert "maxDocumentsRetrievedPerPrompt" in told["settings"]


def test_an_endpoint_is_validated_and_embeds_afterwards(connected, use_case, models):
    endpoint = {"use_case": use_case, "model": MODEL, "base_url": models.url, "key": "sk-1"}
    made = connected("validation", name="Words", **endpoint)
    assert (made["validation_status"], made["error_message"]) == ("PASSED", None)
    assert made["listed"] == [made["id"]]
    assert made["id"] in connected("support")["validated"]
    rows = connected("rows", use_case=use_case, rows=ROWS[:1], name="owl.csv")
    wish = {"dataset": rows, "use_case": use_case, "validation": made["id"]}
    built = connected("vector_database", **wish)
    assert (built["execution_status"], built["embedding_validation_id"]) == (
        "COMPLETED",
        made["id"],
    )
    assert models.requests[-1].headers["authorization"] == "Bearer sk-1"
    with pytest.raises(ClientError, match=r"outbound\.allow"):
        connected("validation", name="Inside", **endpoint | {"base_url": "http://10.1.2.3/v1"})
    connected("delete_validation", id=made["id"])


def test_a_chat_prompt_is_waited_for_and_blueprints_are_measured(connected, use_case):
    rows = connected("rows", use_case=use_case, rows=ROWS, name="zoo.csv")
    built = connected("vector_database", dataset=rows, use_case=use_case, model=MODEL)
    said = connected(
        "chat",
        use_case=use_case,
        database=built["id"],
        llm=PARROT,
        question=QUESTIONS[0]["question"],
    )
    assert (said["status"], said["prompts"]) == ("COMPLETED", [said["prompt"]])
    assert PARROT in said["llms"]
    assert "birds.txt" in said["cited"][0]
    questions = connected("rows", use_case=use_case, rows=QUESTIONS, name="questions.csv")
    told = connected(
        "evaluate",
        use_case=use_case,
        playground=said["playground"],
        blueprint=said["blueprint"],
        questions=questions,
    )
    assert told["status"] == "COMPLETED"
    assert told["measured"]["Exact match"] is not None
    assert connected("nothing_left", use_case=use_case, playground=said["playground"]) == []


NOWHERE = "5f0c5a4e-6b0e-4a55-9d5e-000000000000"


@pytest.mark.parametrize(
    ("call", "id", "status"),
    [
        ("status", "abc", "422"),
        ("status", NOWHERE, "404"),
        ("get_vector_database", "abc", "422"),
        ("get_vector_database", NOWHERE, "404"),
    ],
)
def test_what_is_not_there_is_told_by_the_client(connected, call, id, status):
    with pytest.raises(ClientError, match=status):
        connected(call, id=id)
