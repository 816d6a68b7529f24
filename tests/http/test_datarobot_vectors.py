"""Vector databases, validations and credentials at the DataRobot door: who may do what."""

import pytest
from datarobot_examples import keep
from serving import Serving

from outlast.dialects.datarobot.ids import show_id
from outlast.kinds import build_vector_database, export_vector_database, validate_connection
from outlast.operations import transitions
from outlast.operations.failure import Failure
from outlast.settings import Backend, Outbound, Profile

GENAI = "/api/v2/genai"
VECTORS = GENAI + "/vectorDatabases/"
VALIDATIONS = GENAI + "/openaiEmbeddingValidations/"
CREDENTIALS = "/api/v2/credentials/"
KEY = "sk-of-ada"
OUT_THERE = "https://93.184.216.34/v1"


@pytest.fixture
async def serving(tmp_path):
    kinds = [
        *build_vector_database.kinds,
        *export_vector_database.kinds,
        *validate_connection.kinds,
    ]
    backends = {"double": Backend(url="http://127.0.0.1:9/v1", models=("words",))}
    made = Serving(tmp_path, kinds=kinds, backends=backends, outbound=Outbound(allow=("10.0.0.1",)))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def client(serving):
    return serving.client("admin")


async def made(client, path, **body):
    answer = await client.post(path, json=body)
    assert answer.status_code in {201, 202}, answer.text
    return answer.json()


@pytest.fixture
async def use_case(client):
    return (await made(client, "/api/v2/useCases/", name="Zoo"))["id"]


@pytest.fixture
async def documents(client):
    files = {"file": ("rules.md", b"# Rules")}
    return (await client.post("/api/v2/datasets/fromFile/", files=files)).json()["catalogId"]


@pytest.fixture
def wish(use_case, documents):
    return {
        "datasetId": documents,
        "useCaseId": use_case,
        "chunkingParameters": {"embeddingModel": "words"},
    }


async def test_what_is_built_says_how_it_stands_with_its_operation(serving, client, wish):
    answer = await client.post(VECTORS, json=wish)
    assert answer.status_code == 202
    shown = answer.json()
    path = f"{VECTORS}{shown['id']}/"
    assert (shown["executionStatus"], shown["name"]) == ("NEW", "Vector Database for rules.md")
    assert (shown["userName"], shown["useCaseId"]) == ("admin-1", wish["useCaseId"])
    assert (await client.get(answer.headers["location"])).json()["status"] == "INITIALIZED"
    assert (await client.delete(path)).status_code == 409
    [operation] = await serving.claim()
    assert (await client.get(path)).json()["executionStatus"] == "RUNNING"
    failure = Failure(code="no_documents", message="there is no text in it", fault="user")
    await serving.decide(operation, transitions.fail, failure, None)
    shown = (await client.get(path)).json()
    assert (shown["executionStatus"], shown["errorMessage"]) == ("ERROR", "there is no text in it")
    assert (await client.get(VECTORS, params={"completedOnly": True})).json()["data"] == []
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(VECTORS)).json()["totalCount"] == 0


async def test_a_build_whose_status_is_deleted_is_stopped(serving, client, wish):
    answer = await client.post(VECTORS, json=wish)
    status = answer.headers["location"].replace("/genai", "")
    assert (await client.delete(status)).status_code == 204
    shown = (await client.get(f"{VECTORS}{answer.json()['id']}/")).json()
    assert shown["executionStatus"] == "ERROR"
    assert "cancelled" in shown["errorMessage"]


UNBUILT = (
    ({"datasetId": "abc"}, 404, None),
    ({"useCaseId": "abc"}, 422, ["body", "useCaseId"]),
    ({"name": ""}, 422, ["body", "name"]),
    ({"parentVectorDatabaseId": "abc"}, 422, ["body", "parentVectorDatabaseId"]),
    ({"parentVectorDatabaseId": "0" * 20}, 404, None),
    (
        {"chunkingParameters": {"chunkSize": 0}},
        422,
        ["body", "chunkingParameters", "chunkSize"],
    ),
    (
        {"chunkingParameters": {"chunkOverlapPercentage": 51}},
        422,
        ["body", "chunkingParameters", "chunkOverlapPercentage"],
    ),
    (
        {"chunkingParameters": {"embeddingModel": "nothing"}},
        404,
        None,
    ),
    (
        {"chunkingParameters": {"embeddingValidationId": "0" * 20}},
        404,
        None,
    ),
    ({"chunkingParameters": {"customChunking": True}}, 501, None),
    ({"updateDeployments": True}, 501, None),
    ({"metadataDatasetId": "0" * 20}, 501, None),
)


async def test_what_cannot_be_built_is_refused_and_leaves_nothing(client, wish):
    for change, status, loc in UNBUILT:
        chunking = {"embeddingModel": "words"} | change.get("chunkingParameters", {})
        answer = await client.post(VECTORS, json=wish | change | {"chunkingParameters": chunking})
        assert answer.status_code == status, answer.text
        assert loc is None or answer.json()["detail"][0]["loc"] == loc, change
    assert (await client.get(VECTORS)).json()["data"] == []
    assert (await client.get("/v1/operations")).json()["operations"] == []


async def test_lists_are_searched_sorted_and_cut(client, wish):
    for name in ("bees", "ants", "birds"):
        await made(client, VECTORS, **wish, name=name)

    async def names(**query):
        answer = await client.get(VECTORS, params=query)
        assert answer.status_code == 200, answer.text
        return [one["name"] for one in answer.json()["data"]]

    assert await names() == ["birds", "ants", "bees"]
    assert await names(search="B", sort="-name") == ["birds", "bees"]
    assert await names(useCaseId=wish["useCaseId"], limit=1, offset=1) == ["ants"]
    assert await names(useCaseId="0" * 20) == []
    assert await names(familyId="0" * 20) == []
    assert await names(playgroundId="0" * 20) == []


async def test_one_that_is_ready_is_renamed_by_who_may_and_exported(serving, client):
    id = show_id(await keep(serving.store, "handbook"))
    path = f"{VECTORS}{id}/"
    submitter = serving.client("submitter")
    assert (await submitter.patch(path, json={"name": "mine"})).status_code == 403
    assert (await client.patch(path, json={"name": ""})).status_code == 422
    assert (await client.patch(path, json={"credentialId": id})).status_code == 501
    assert (await client.patch(path, json={"name": "rules"})).json()["name"] == "rules"
    found = (await client.get("/v1/vector-databases?name=rules")).json()["vector_databases"]
    assert len(found) == 1


async def test_what_another_tenant_has_is_not_there(serving, client, wish):
    id = (await made(client, VECTORS, **wish))["id"]
    away = serving.client("admin", "away")
    for method, path in (
        ("GET", f"{VECTORS}{id}/"),
        ("DELETE", f"{VECTORS}{id}/"),
        ("POST", f"{VECTORS}{id}/datasetExportJobs/"),
    ):
        assert (await away.request(method, path)).status_code == 404
    theirs = (await made(away, "/api/v2/useCases/", name="Theirs"))["id"]
    answer = await away.post(VECTORS, json=wish | {"useCaseId": theirs})
    assert answer.status_code == 404
    assert (await client.post(VECTORS, json=wish | {"useCaseId": theirs})).status_code == 404


async def keep_key(client, **fields):
    body = {"name": "key", "credentialType": "basic", "user": "ada", "password": KEY} | fields
    return await made(client, CREDENTIALS, **body)


async def test_a_credential_never_shows_what_is_in_it(serving, client):
    kept = await keep_key(client)
    shown = await client.get(f"{CREDENTIALS}{kept['credentialId']}/")
    listed = await client.get(CREDENTIALS)
    native = await client.get("/v1/audit")
    assert not any(KEY in answer.text for answer in (shown, listed, native))
    [resource] = await serving.store.catalog.find("default", "credential")
    assert KEY.encode() not in resource.document
    away = serving.client("admin", "away")
    assert (await away.get(f"{CREDENTIALS}{kept['credentialId']}/")).status_code == 404
    assert (await client.delete(f"{CREDENTIALS}{kept['credentialId']}/")).status_code == 204
    assert (await client.get(CREDENTIALS)).json()["data"] == []


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"credentialType": "s3"}, 501),
        ({"password": None}, 422),
        ({"password": "x" * 20_000}, 422),
        ({"name": ""}, 422),
        ({"description": "x" * 6000}, 422),
    ],
)
async def test_a_credential_that_cannot_be_kept_is_refused(client, change, status):
    body = {"name": "key", "credentialType": "basic", "password": KEY} | change
    answer = await client.post(CREDENTIALS, json=body)
    assert answer.status_code == status
    assert KEY not in answer.text


@pytest.fixture
async def endpoint(client, use_case):
    credential = (await keep_key(client))["credentialId"]
    return {
        "name": "Words",
        "model": "words",
        "baseUrl": OUT_THERE,
        "useCaseId": use_case,
        "credentialId": credential,
    }


async def test_a_validation_stands_as_its_operation_does(serving, client, endpoint):
    answer = await client.post(VALIDATIONS, json=endpoint)
    assert answer.status_code == 202
    shown = answer.json()
    assert KEY not in answer.text
    assert shown["validationStatus"] == "TESTING"
    assert shown.items() >= {name: endpoint[name] for name in endpoint}.items()
    status = (await client.get(answer.headers["location"])).json()["status"]
    assert status == "INITIALIZED"
    path = f"{VALIDATIONS}{shown['id']}/"
    assert (await client.delete(path)).status_code == 409
    assert (await client.get(VALIDATIONS, params={"completedOnly": True})).json()["data"] == []
    [operation] = await serving.claim()
    failure = Failure(code="backend_refused", message="no such model", fault="user")
    await serving.decide(operation, transitions.fail, failure, None)
    shown = (await client.get(path)).json()
    assert (shown["validationStatus"], shown["errorMessage"]) == ("FAILED", "no such model")
    again = (await client.post(path + "revalidate/")).json()
    assert again["validationStatus"] == "TESTING"
    for query, count in (({"model": "words"}, 1), ({"model": "x"}, 0), ({"search": "ORD"}, 1)):
        assert (await client.get(VALIDATIONS, params=query)).json()["count"] == count


async def test_a_key_is_used_by_who_made_it_and_by_operators(serving, client, endpoint):
    submitter, operator = serving.client("submitter"), serving.client("operator")
    assert (await submitter.post(VALIDATIONS, json=endpoint)).status_code == 403
    assert (await operator.post(VALIDATIONS, json=endpoint)).status_code == 202
    own = (await keep_key(submitter))["credentialId"]
    answer = await submitter.post(VALIDATIONS, json=endpoint | {"credentialId": own})
    assert answer.status_code == 202
    path = f"{VALIDATIONS}{answer.json()['id']}/"
    other = serving.client("submitter", "away")
    assert (await other.get(path)).status_code == 404
    assert (await other.post(VALIDATIONS, json=endpoint)).status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "loc"),
    [
        ({"baseUrl": "http://10.1.2.3/v1"}, 422, ["body", "baseUrl"]),
        ({"baseUrl": "ftp://example.com"}, 422, ["body", "baseUrl"]),
        ({"model": ""}, 422, ["body", "model"]),
        ({"credentialId": "abc"}, 422, ["body", "credentialId"]),
        ({"credentialId": "0" * 20}, 404, None),
        ({"extraBodyParams": [{"key": "a", "value": "b", "stage": "both"}]}, 501, None),
    ],
)
async def test_an_endpoint_that_cannot_be_asked_is_refused(client, endpoint, change, status, loc):
    answer = await client.post(VALIDATIONS, json=endpoint | change)
    assert answer.status_code == status, answer.text
    if loc is not None:
        assert answer.json()["detail"][0]["loc"] == loc
    assert (await client.get(VALIDATIONS)).json()["data"] == []


async def test_another_connection_is_no_validation(client):
    body = {"name": "folder", "provider": "aws", "region": "eu-north-1"}
    body["secrets"] = {"access_key": "a", "secret_key": "b"}
    other = await client.post("/v1/connections", json=body)
    assert other.status_code in {201, 202}, other.text
    id = show_id(other.json()["id"])
    assert (await client.get(f"{VALIDATIONS}{id}/")).status_code == 404
    assert (await client.get(VALIDATIONS)).json()["data"] == []


async def test_urls_begin_as_the_settings_say(tmp_path):
    profile = Profile(
        dialect="datarobot", hosts=("robot.example",), public_url="https://robot.example/"
    )
    made = Serving(tmp_path, public_url="https://all.example", profiles={"robot": profile})
    await made.open()
    client = made.client("admin")
    for host, origin in (("robot.example", "https://robot.example"), ("x", "https://all.example")):
        page = await client.get("/api/v2/useCases/?limit=1", headers={"Host": host})
        assert page.json()["next"] is None
        for name in ("a", "b"):
            await client.post("/api/v2/useCases/", json={"name": name}, headers={"Host": host})
        page = (await client.get("/api/v2/useCases/?limit=1", headers={"Host": host})).json()
        assert page["next"].startswith(f"{origin}/api/v2/useCases/?")
        for one in (await client.get("/api/v2/useCases/")).json()["data"]:
            await client.delete(f"/api/v2/useCases/{one['id']}/")
    await made.close()
