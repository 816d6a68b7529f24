import json

import pytest
from serving import problem_of

OCTETS = {"content-type": "application/octet-stream"}
BOM = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "a"}]})


@pytest.fixture
def client(serving):
    return serving.client("submitter")


async def test_evidence_is_brought_once_and_read_back(client):
    made = await client.post("/v1/evidence?name=bom.json", content=BOM, headers=OCTETS)
    assert made.status_code == 201
    evidence = made.json()
    assert made.headers["location"] == f"/v1/evidence/{evidence['id']}"
    assert (evidence["type"], evidence["version"], evidence["name"]) == (
        "cyclonedx",
        "1.6",
        "bom.json",
    )
    assert evidence["problems_total"] == 1
    assert evidence["problems"][0]["path"] == "/components/0"
    again = await client.post("/v1/evidence", content=BOM, headers=OCTETS)
    assert (again.status_code, again.json()) == (200, evidence)
    for ref in (evidence["id"], evidence["digest"]):
        assert (await client.get(f"/v1/evidence/{ref}")).json() == evidence
        content = await client.get(f"/v1/evidence/{ref}/content")
        assert content.text == BOM
    assert (await client.delete(f"/v1/evidence/{evidence['digest']}")).status_code == 204
    assert (await client.get(f"/v1/evidence/{evidence['id']}")).status_code == 404


async def test_what_cannot_be_read_is_a_422_with_its_line(client):
    answer = await client.post("/v1/evidence", content=b'{"a":\n 1,}', headers=OCTETS)
    assert answer.status_code == 422
    problem = problem_of(answer)
    assert problem["code"] == "invalid_evidence"
    assert problem["details"] == {"line": 2, "column": 4}
    assert problem["detail"].startswith("line 2, column 4: this is not JSON")


async def test_evidence_is_sent_as_octets(client):
    answer = await client.post("/v1/evidence", json={})
    assert (answer.status_code, problem_of(answer)["code"]) == (415, "unsupported_media_type")


async def test_lists_are_paged_and_of_one_type(client):
    for number in range(3):
        await client.post("/v1/evidence", content=f"[{number}]", headers=OCTETS)
    await client.post("/v1/evidence", content=BOM, headers=OCTETS)
    page = (await client.get("/v1/evidence?type=json&page_size=2")).json()
    assert len(page["evidence"]) == 2
    token = page["next_page_token"]
    rest = (await client.get(f"/v1/evidence?type=json&page_size=2&page_token={token}")).json()
    assert (len(rest["evidence"]), rest["next_page_token"]) == (1, None)
    other = await client.get(f"/v1/evidence?page_size=2&page_token={token}")
    assert problem_of(other)["code"] == "invalid_page_token"
    wrong = await client.get("/v1/evidence?type=prose")
    assert (wrong.status_code, problem_of(wrong)["code"]) == (422, "invalid_spec")
