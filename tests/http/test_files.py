import pytest
from serving import problem_of

OCTETS = {"Content-Type": "application/octet-stream"}
CONTENT = b"one\ntwo\n" * 10_000


async def upload(client, content=CONTENT, **query):
    query = {"name": "rows.jsonl", "purpose": "batch"} | query
    answer = await client.post("/v1/files", params=query, content=content, headers=OCTETS)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_file_is_uploaded_as_it_is(client):
    file = await upload(client, project="p1")
    assert (file["name"], file["purpose"], file["bytes"]) == ("rows.jsonl", "batch", 80_000)
    assert (file["project"], file["created_by"]) == ("p1", "admin-1")
    assert (file["expire_at"], file["operation_id"], file["is_partial"]) == (None, None, False)
    assert (await client.get(f"/v1/files/{file['id']}")).json() == file
    answer = await client.get(f"/v1/files/{file['id']}/content")
    assert answer.content == CONTENT
    assert answer.headers["content-length"] == "80000"
    assert answer.headers["content-disposition"] == 'attachment; filename="rows.jsonl"'


async def test_a_file_is_uploaded_in_a_form(client):
    answer = await client.post(
        "/v1/files",
        data={"purpose": "user_data", "expire_seconds": "3600"},
        files={"file": ("caf\u00e9.txt", b"\x00\xff")},
    )
    assert answer.status_code == 201, answer.text
    file = answer.json()
    assert answer.headers["location"] == f"/v1/files/{file['id']}"
    assert (file["name"], file["bytes"]) == ("caf\u00e9.txt", 2)
    assert file["expire_at"] is not None
    shown = await client.get(f"/v1/files/{file['id']}/content")
    assert shown.content == b"\x00\xff"
    disposition = shown.headers["content-disposition"]
    assert disposition == "attachment; filename=\"caf_.txt\"; filename*=UTF-8''caf%C3%A9.txt"


async def test_a_form_may_name_the_file_itself(client):
    answer = await client.post(
        "/v1/files", data={"purpose": "batch", "name": "b.txt"}, files={"file": ("a.txt", b"x")}
    )
    assert answer.json()["name"] == "b.txt"


async def test_files_are_listed_in_pages(client):
    ids = [(await upload(client, name=f"{n}", purpose="ab"[n % 2]))["id"] for n in range(5)]
    first = (await client.get("/v1/files?page_size=3")).json()
    token = first["next_page_token"]
    rest = (await client.get("/v1/files", params={"page_size": 3, "page_token": token})).json()
    assert rest["next_page_token"] is None
    assert [file["id"] for file in first["files"] + rest["files"]] == ids[::-1]
    filtered = (await client.get("/v1/files?purpose=b")).json()["files"]
    assert [file["id"] for file in filtered] == [ids[3], ids[1]]
    answer = await client.get(f"/v1/files?purpose=b&page_token={token}")
    assert problem_of(answer)["code"] == "invalid_page_token"


async def test_a_deleted_file_is_gone(client):
    file = await upload(client)
    assert (await client.delete(f"/v1/files/{file['id']}")).status_code == 204
    for path in ("", "/content"):
        answer = await client.get(f"/v1/files/{file['id']}{path}")
        assert (answer.status_code, problem_of(answer)["code"]) == (404, "not_found")
    assert (await client.delete(f"/v1/files/{file['id']}")).status_code == 404


async def test_the_head_of_a_content_tells_its_size(client):
    file = await upload(client)
    answer = await client.head(f"/v1/files/{file['id']}/content")
    assert (answer.status_code, answer.headers["content-length"]) == (200, "80000")


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"purpose": "batch"}, "name"),
        ({"name": "a"}, "purpose"),
        ({"name": "a/b", "purpose": "batch"}, "name"),
        ({"name": "a", "purpose": "No good"}, "purpose"),
        ({"name": "a", "purpose": "batch", "expire_seconds": "soon"}, "expire_seconds"),
        ({"name": "a", "purpose": "batch", "expire_seconds": "0"}, "expire_seconds"),
        ({"name": "a", "purpose": "batch", "colour": "red"}, "colour"),
    ],
)
async def test_a_malformed_wish_names_its_field(client, query, wrong):
    answer = await client.post("/v1/files", params=query, content=b"x", headers=OCTETS)
    assert answer.status_code in {400, 422}
    assert list(problem_of(answer)["field_errors"]) == [wrong]
    if "name" in query:  # a form's file brings one
        answer = await client.post("/v1/files", data=query, files={"file": ("a", b"x")})
        assert answer.status_code in {400, 422}
        assert list(problem_of(answer)["field_errors"]) == [wrong]


async def test_another_media_type_is_refused(client):
    for media in ("application/json", "text/plain", "application/x-www-form-urlencoded", ""):
        answer = await client.post(
            "/v1/files?name=a&purpose=batch", content=b"{}", headers={"Content-Type": media}
        )
        assert problem_of(answer)["code"] == "unsupported_media_type"


async def test_a_form_without_its_file_is_refused(client):
    for files in ({"other": ("a", b"x")}, {"file": (None, b"x")}):
        answer = await client.post("/v1/files", data={"purpose": "batch"}, files=files)
        assert problem_of(answer)["code"] == "invalid_request"


async def test_roles_and_tenants(serving, client):
    file = await upload(client)
    viewer = serving.client("viewer")
    assert (await viewer.get(f"/v1/files/{file['id']}/content")).status_code == 200
    answer = await viewer.post("/v1/files?name=a&purpose=b", content=b"x", headers=OCTETS)
    assert problem_of(answer)["code"] == "forbidden"
    submitter = serving.client("submitter")
    assert (await submitter.delete(f"/v1/files/{file['id']}")).status_code == 403
    stranger = serving.client("admin", tenant="away")
    assert (await stranger.get(f"/v1/files/{file['id']}")).status_code == 404
    assert (await stranger.get("/v1/files")).json()["files"] == []
