"""Whether chats are logged, as an admin decides over HTTP."""

import pytest
from serving import Serving, problem_of

from outlast.settings import ChatLog

PATH = "/v1/chat-log"


async def test_chats_are_logged_until_an_admin_says_no(serving):
    admin, viewer = serving.client("admin"), serving.client("viewer")
    assert (await viewer.get(PATH)).json() == {"is_enabled": True, "is_logged": True}

    answer = await admin.put(PATH, json={"is_enabled": False})

    assert answer.json() == {"is_enabled": False, "is_logged": False}
    assert (await viewer.get(PATH)).json() == answer.json()
    assert (await serving.client("admin", "away").get(PATH)).json()["is_enabled"]


@pytest.mark.parametrize("role", ["viewer", "submitter", "operator"])
async def test_nobody_else_decides(serving, role):
    answer = await serving.client(role).put(PATH, json={"is_enabled": False})
    assert problem_of(answer)["code"] == "forbidden"


@pytest.mark.parametrize("body", [{}, {"is_enabled": "no"}, {"is_enabled": True, "more": 1}])
async def test_a_body_that_says_something_else_is_refused(client, body):
    assert problem_of(await client.put(PATH, json=body))["code"] == "invalid_request"


async def test_a_server_that_logs_nobody_says_so(tmp_path):
    serving = Serving(tmp_path, chat_log=ChatLog(is_enabled=False))
    await serving.open()
    answer = await serving.client("viewer").get(PATH)
    await serving.close()
    assert answer.json() == {"is_enabled": True, "is_logged": False}


async def test_the_metrics_count_what_was_logged_and_what_was_not(client):
    text = (await client.get("/metrics")).text
    assert "outlast_chat_entries_logged 0" in text
    assert "outlast_chat_entries_dropped 0" in text
