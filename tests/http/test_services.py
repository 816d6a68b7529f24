from serving import problem_of


async def test_services_and_their_commands_are_listed(client):
    listed = (await client.get("/v1/services")).json()
    [command] = listed["services"][0]["commands"]
    assert (command["name"], command["kind"]) == ("add", "add")
    status = (await client.get("/v1/services/calculator/status")).json()
    assert status == {"status": None}
    for service in listed["services"]:
        assert (await client.get(f"/v1/services/{service['id']}")).json() == service
        assert (await client.get(f"/v1/services/{service['name']}")).json() == service
        for command in service["commands"]:
            assert command["payload_schema"]


async def test_what_is_no_service_is_not_found(client):
    for path in ("/v1/services/none", "/v1/services/none/status"):
        assert problem_of(await client.get(path))["code"] == "not_found"
