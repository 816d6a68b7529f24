from serving import problem_of

NAMES = """package names

result := {"violations": [violation |
    component := input.components[i]
    component.name == input.args.name
    violation := {"message": sprintf("%s is there", [component.name]), "path": ["components", i]}
]}"""
POLICY = {
    "name": "names",
    "language": "rego",
    "source": NAMES,
    "applies_to": ["cyclonedx"],
    "args": {"name": "b"},
    "tests": [{"input": {"components": [{"name": "b"}]}, "expect": "failed"}],
}


async def test_a_policy_is_written_read_and_deleted(client):
    answer = await client.put("/v1/policies/names", json=POLICY)
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/policies/names@1")
    made = answer.json()
    assert (made["version"], made["is_builtin"], made["created_by"]) == (1, False, "admin-1")
    assert made["document"]["source"] == NAMES
    answer = await client.put("/v1/policies/names", json=POLICY)
    assert (answer.status_code, answer.json()) == (200, made)
    changed = POLICY | {"severity": "high"}
    assert (await client.put("/v1/policies/names", json=changed)).json()["version"] == 2
    assert (await client.get("/v1/policies/names@1")).json() == made
    assert (await client.get("/v1/policies/names")).json()["severity"] == "high"
    versions = (await client.get("/v1/policies/names/versions?page_size=1")).json()
    assert [one["version"] for one in versions["policies"]] == [2]
    token = versions["next_page_token"]
    versions = (await client.get(f"/v1/policies/names/versions?page_token={token}")).json()
    assert [one["version"] for one in versions["policies"]] == [1]
    assert versions["next_page_token"] is None
    assert (await client.delete("/v1/policies/names")).status_code == 204
    assert problem_of(await client.get("/v1/policies/names"))["code"] == "not_found"
    records = (await client.get("/v1/audit")).json()["records"]
    assert [(one["action"], one["target"]) for one in records[:3]] == [
        ("policy.delete", "names"),
        ("policy.put", "names@2"),
        ("policy.put", "names@1"),
    ]


async def test_policies_are_listed_by_name_without_their_documents(client):
    await client.put("/v1/policies/names", json=POLICY)
    names, url = [], "/v1/policies?page_size=4"
    while url:
        page = (await client.get(url)).json()
        assert len(page["policies"]) <= 4
        names += [one["name"] for one in page["policies"]]
        assert {one["document"] for one in page["policies"]} == {None}
        token = page["next_page_token"]
        url = token and f"/v1/policies?page_size=4&page_token={token}"
    assert names == sorted(names)
    assert {"names", "signed", "vulnerabilities"} <= set(names)


async def test_what_is_wrong_with_a_policy_is_told_with_its_place(client):
    wrong = POLICY | {"source": NAMES.replace("sprintf", "sprint")}
    problem = problem_of(await client.put("/v1/policies/names", json=wrong))
    assert (problem["status"], problem["code"]) == (422, "invalid_spec")
    assert problem["details"] == {"line": 6, "column": 30}
    assert problem["field_errors"]["source"].startswith("line 6, column 30: there is no function")
    tested = (await client.post("/v1/policies:test", json=wrong)).json()
    assert tested == {
        "is_passed": False,
        "error": {
            "message": "there is no function sprint",
            "line": 6,
            "column": 30,
            "rule": None,
        },
        "failures": {},
    }


async def test_a_policy_whose_tests_fail_is_not_kept(client):
    failing = POLICY | {"tests": [{"name": "none", "input": {}, "expect": "failed"}]}
    problem = problem_of(await client.put("/v1/policies/names", json=failing))
    assert problem["field_errors"] == {"none": "it came out as passed, not as failed"}
    tested = (await client.post("/v1/policies:test", json=failing)).json()
    assert (tested["is_passed"], list(tested["failures"])) == (False, ["none"])
    assert (await client.post("/v1/policies:test", json=POLICY)).json()["is_passed"] is True
    assert (await client.get("/v1/policies/names")).status_code == 404


async def test_the_name_in_the_path_is_the_name_of_the_policy(client):
    problem = problem_of(await client.put("/v1/policies/other", json=POLICY))
    assert problem["field_errors"] == {"name": "must be the one in the path"}
    problem = problem_of(await client.put("/v1/policies/signed", json=POLICY | {"name": "signed"}))
    assert problem["code"] == "resource_exists"
    assert problem_of(await client.delete("/v1/policies/signed"))["code"] == "conflict"
    assert problem_of(await client.get("/v1/policies/A%20B"))["code"] == "invalid_spec"
