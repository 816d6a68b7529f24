import asyncio

import pytest
from serving import problem_of

from outlast.http.paging import page_position, page_token
from outlast.operations.errors import InvalidPageToken

URL = "/v1/operations"


def ids_of(answer):
    assert answer.status_code == 200, answer.text
    return [operation["id"] for operation in answer.json()["operations"]]


async def test_a_list_is_read_page_by_page_newest_first(serving, client):
    made = [(await serving.submit(client, spec={"a": n}))["id"] for n in range(5)]
    seen, token = [], None
    while True:
        params = {"page_size": 2} | ({"page_token": token} if token else {})
        answer = await client.get(URL, params=params)
        seen += ids_of(answer)
        token = answer.json()["next_page_token"]
        if token is None:
            break
    assert seen == sorted(made, reverse=True)


async def test_a_summary_leaves_out_spec_and_result(serving, client):
    await serving.submit(client)
    [short] = (await client.get(URL)).json()["operations"]
    assert (short["spec"], short["result"]) == (None, None)
    [full] = (await client.get(URL, params={"view": "full"})).json()["operations"]
    assert full["spec"] == {"a": 1}


async def test_every_filter_filters(serving, client):
    wanted = await serving.submit(
        client, labels={"a": "1"}, project="p", resource_type="t", resource_id="i"
    )
    await asyncio.sleep(0.002)
    other = await serving.submit(client, kind="anything", spec=[])
    await client.post(f"{URL}/{other['id']}/cancel")
    for params in (
        {"state": "pending"},
        {"state": ["pending", "running"]},
        {"kind": "add"},
        {"kind": ["add", "none"]},
        {"label.a": "1"},
        {"project": "p"},
        {"resource_type": "t", "resource_id": "i"},
        {"created_before": other["created_at"]},
        {"created_before": other["created_at"], "created_after": wanted["created_at"]},
    ):
        assert ids_of(await client.get(URL, params=params)) == [wanted["id"]], params
    later = {"created_after": other["created_at"]}
    assert ids_of(await client.get(URL, params=later)) == [other["id"]]
    assert ids_of(await client.get(URL, params={"label.a": "2"})) == []
    assert ids_of(await client.get(URL, params={"created_before": "0001-01-01T00:00:00Z"})) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=ended", "state"),
        ("view=all", "view"),
        ("page_size=0", "page_size"),
        ("page_size=501", "page_size"),
        ("page_size=ten", "page_size"),
        ("page_size=٣", "page_size"),
        ("page_size=1&page_size=2", "page_size"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-01-01T00:00:00", "created_after"),
        ("created_after=1", "created_after"),
        ("stat=pending", "stat"),
        ("label.a=1&label.a=2", "label.a"),
        ("project=%00", "project"),
    ],
)
async def test_a_wrong_parameter_is_named(client, query, field):
    answer = await client.get(f"{URL}?{query}")
    assert answer.status_code == 400
    assert field in problem_of(answer)["field_errors"]


@pytest.mark.parametrize("query", ["project=%ff", "resource_type=t", "resource_id=i", "a=1&" * 300])
async def test_a_malformed_query_is_refused(client, query):
    answer = await client.get(f"{URL}?{query}")
    assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid_request")


async def test_a_page_token_is_bound_to_its_filters(serving, client):
    for n in range(3):
        await serving.submit(client, spec={"a": n}, labels={"a": "1"})
    answer = await client.get(URL, params={"page_size": 1, "label.a": "1", "state": "pending"})
    token = answer.json()["next_page_token"]
    same = {"page_size": 2, "state": "pending", "label.a": "1", "page_token": token}
    assert len(ids_of(await client.get(URL, params=same))) == 2
    for params in (
        {},
        {"state": "pending"},
        {"label.a": "1"},
        {"label.a": "2", "state": "pending"},
    ):
        answer = await client.get(URL, params=params | {"page_token": token})
        assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid_page_token")
    away = serving.client("admin", "away")
    answer = await away.get(URL, params=same)
    assert problem_of(answer)["code"] == "invalid_page_token"


def test_a_page_token_that_was_tampered_with_is_refused():
    token = page_token("06H01JXRD8A4CEG8HVXD", ["x"])
    assert page_position(token, ["x"]) == "06H01JXRD8A4CEG8HVXD"
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place in range(len(token)):
        for letter in alphabet:
            changed = token[:place] + letter + token[place + 1 :]
            if changed != token:
                with pytest.raises(InvalidPageToken):
                    page_position(changed, ["x"])


@pytest.mark.parametrize("token", ["", "=", "A", "é", "====", "A" * 600, "a b", "\n", "1"])
def test_nonsense_is_no_page_token(token):
    with pytest.raises(InvalidPageToken):
        page_position(token, ["x"])
