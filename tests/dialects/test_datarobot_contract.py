import json
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from datarobot_examples import EXAMPLES

from outlast.dialects.datarobot import DataRobot
from outlast.dialects.datarobot.ids import read_id, show_id
from outlast.dialects.datarobot.status import status_on_wire
from outlast.dialects.datarobot.words import FINAL_STATUSES, TARGETS
from outlast.dialects.port import Reply
from outlast.operations import ids
from outlast.operations.errors import Invalid
from outlast.operations.failure import Failure
from outlast.operations.progress import Progress
from outlast.operations.states import State
from outlast.testing.dialect_contract import CREATED_AT, DialectContract, make_operation

DIALECT = DataRobot()
SAMPLES = json.loads((Path(__file__).parent / "datarobot_samples.json").read_text())
PROMPT = EXAMPLES["chat_prompt"]
RESOURCE = ids.make_id(CREATED_AT, 8)
KEYS = {"code", "created", "description", "message", "status", "statusId", "statusType"}


class TestDataRobot(DialectContract):
    dialect = DIALECT
    examples: ClassVar = EXAMPLES


def rendered(state, kind="chat_prompt", **fields):
    operation = make_operation(kind, PROMPT, state, **fields)
    return DIALECT.render(operation)


def test_every_kind_has_an_example():
    assert EXAMPLES.keys() == TARGETS.keys()


@pytest.mark.parametrize("state", State)
def test_a_status_has_all_seven_keys_and_none_of_them_is_null(state):
    shown = msgspec.json.decode(rendered(state).body)
    assert shown.keys() == KEYS
    assert None not in shown.values()
    assert shown["code"] in {0, 1}


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"state": State.PENDING}, "INITIALIZED", 0),
        ({"state": State.RUNNING}, "RUNNING", 0),
        ({"state": State.SUCCEEDED}, "COMPLETED", 0),
        ({"state": State.FAILED}, "ERROR", 1),
        ({"state": State.FAILED, "failure_code": "deadline_exceeded"}, "EXPIRED", 1),
        ({"state": State.CANCELLED}, "ABORTED", 1),
    ],
)
def test_every_end_has_its_word_and_its_code(fields, status, code):
    shown = status_on_wire(make_operation("chat_prompt", PROMPT, **fields))
    assert (shown.status, shown.code) == (status, code)
    assert (shown.message != "") == (status in FINAL_STATUSES - {"COMPLETED"})


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("chat_prompt", "/api/v2/genai/chatPrompts/"),
        ("build_vector_database", "/api/v2/genai/vectorDatabases/"),
        ("validate_embedding_endpoint", "/api/v2/genai/openaiEmbeddingValidations/"),
        ("file_to_dataset", "/api/v2/datasets/"),
    ],
)
def test_what_leaves_something_behind_redirects_to_it_once_it_is_there(kind, path):
    reply = rendered(State.SUCCEEDED, kind, resource_id=RESOURCE)
    assert reply.status == 303
    assert reply.headers == [("Location", f"{path}{ids.to_uuid(RESOURCE)}/")]
    for state in set(State) - {State.SUCCEEDED}:
        assert rendered(state, kind, resource_id=RESOURCE).status == 200


@pytest.mark.parametrize("kind", ["evaluate_chat", "export_vector_database"])
def test_what_is_polled_by_its_id_alone_ends_as_completed(kind):
    reply = rendered(State.SUCCEEDED, kind, resource_id=RESOURCE)
    assert reply.status == 200
    assert msgspec.json.decode(reply.body)["status"] == "COMPLETED"


@pytest.mark.parametrize("id", [None, "../../v1/x?y#z", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_what_left_no_resource_of_ours_redirects_to_nothing(id):
    assert rendered(State.SUCCEEDED, "file_to_dataset", resource_id=id).status == 200


def test_a_running_operation_says_how_far_it_is():
    progress = Progress(
        attempt=1, at=CREATED_AT, stage="embedding", done=12, total=300, unit="chunks"
    )
    operation = make_operation("build_vector_database", PROMPT, State.RUNNING, progress=progress)
    assert status_on_wire(operation).description == "embedding: 12 of 300 chunks"


def test_why_it_failed_is_its_message():
    failure = Failure(code="no_documents", message="there is no text in it", fault="user")
    shown = msgspec.json.decode(rendered(State.FAILED, failure=failure).body)
    assert shown["message"] == "there is no text in it"


def test_a_uuid_that_the_caller_chose_is_the_operations_id():
    chosen = "e900225c-0629-4e96-be6e-86a17a309645"
    for alias, shown in ((chosen, chosen), ("nightly-7", None)):
        operation = make_operation("chat_prompt", PROMPT, State.RUNNING, alias=alias)
        assert status_on_wire(operation).status_id == (shown or show_id(operation.id))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["source"])
def test_a_sample_of_the_wire_is_read_and_written_to_the_letter(sample):
    reading = DIALECT.read(Reply(body=msgspec.json.encode(sample["status"])))
    operation = make_operation(
        "chat_prompt", PROMPT, reading.state, alias=reading.id, created_at=reading.created_at
    )
    assert msgspec.to_builtins(status_on_wire(operation)) == sample["status"]


@pytest.mark.parametrize("text", ["", "abc", "1", "e900225c06294e96be6e86a17a3096", "{x}"])
def test_what_is_no_uuid_is_no_id(text):
    with pytest.raises(Invalid) as raised:
        read_id(text, "statusId")
    assert raised.value.field_errors.keys() == {"statusId"}


def test_an_id_is_read_in_each_of_its_forms_and_a_foreign_uuid_as_it_is():
    foreign = "e900225c-0629-4e96-be6e-86a17a309645"
    assert read_id(foreign.upper(), "id") == foreign
    for text in (RESOURCE, show_id(RESOURCE), ids.to_hex(RESOURCE)):
        assert read_id(text, "id") == RESOURCE


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"code": 2},
        {"status": "DONE"},
        {"message": None},
        {"created": "yesterday"},
        {"created": "2019-08-24T14:15:22"},
    ],
)
def test_what_their_client_would_not_read_is_not_read_here(status):
    body = msgspec.json.encode(SAMPLES[0]["status"] | status if status else {})
    with pytest.raises(ValueError, match=r"."):
        DIALECT.read(Reply(body=body))
