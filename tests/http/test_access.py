"""Who may call what: every route of the table, with every role and from another tenant."""

import re

import msgspec
import pytest
from databases_for_tests import keep_database
from serving import HOME, problem_of

from outlast.engine.access import ALLOWED, Role, Verb
from outlast.operations.kind import CatalogWrite
from outlast.resources.connections.model import CONNECTION
from outlast.resources.policies.format import PolicyDocument
from outlast.resources.policies.model import PolicyVersion, write_policy
from outlast.resources.stacks.model import STACK
from outlast.resources.vector_databases.model import VECTOR_DATABASE

JSONL = {"Content-Type": "application/x-ndjson"}
OCTETS = {"Content-Type": "application/octet-stream"}
EVERY_HOUR = {"kind": "add", "spec": {"a": 1}, "every_seconds": 3600}
POLICY = {"name": "theirs", "language": "cel", "rules": [{"check": "true"}]}
OPEN = {"/healthz", "/readyz", "/metrics", "/openapi.json"}
OF_ONE = [
    ("GET", "/v1/operations/{operation}", {}),
    ("GET", "/v1/operations/{operation}?wait=1", {}),
    ("GET", "/v1/operations/{operation}/events", {}),
    ("GET", "/v1/operations/{operation}/events", {"headers": {"Accept": "text/event-stream"}}),
    ("GET", "/v1/operations/{operation}/logs", {}),
    ("POST", "/v1/operations/{operation}/cancel", {}),
    ("POST", "/v1/operations/{operation}/retry", {}),
    ("DELETE", "/v1/operations/{operation}", {}),
    ("GET", "/v1/datasets/{dataset}", {}),
    ("GET", "/v1/datasets/{dataset}/versions", {}),
    ("GET", "/v1/datasets/{dataset}/versions/{version}", {}),
    ("GET", "/v1/datasets/{dataset}/rows", {}),
    ("GET", "/v1/datasets/{dataset}/export", {}),
    ("POST", "/v1/datasets/{dataset}/versions", {"content": b'{"a":1}\n', "headers": JSONL}),
    ("DELETE", "/v1/datasets/{dataset}", {}),
    ("GET", "/v1/files/{file}", {}),
    ("GET", "/v1/files/{file}/content", {}),
    ("DELETE", "/v1/files/{file}", {}),
    ("GET", "/v1/evidence/{evidence}", {}),
    ("GET", "/v1/evidence/{evidence}/content", {}),
    ("DELETE", "/v1/evidence/{evidence}", {}),
    ("GET", "/v1/policies/{policy}", {}),
    ("GET", "/v1/policies/{policy}/versions", {}),
    ("DELETE", "/v1/policies/{policy}", {}),
    ("GET", "/v1/databases/{database}", {}),
    ("GET", "/v1/databases/{database}/file", {}),
    ("GET", "/v1/databases/{database}/credentials", {}),
    ("POST", "/v1/databases/{database}/data-sources", {"json": {"data_source_id": "other"}}),
    ("PUT", "/v1/databases/{database}/data-sources/d", {"json": {"data_source_id": "another"}}),
    ("DELETE", "/v1/databases/{database}/data-sources/d", {}),
    ("GET", "/v1/databases/{database}/pipe-tables", {}),
    ("GET", "/v1/databases/{database}/pipe-tables/t", {}),
    ("GET", "/v1/vector-databases/{vector_database}", {}),
    ("POST", "/v1/vector-databases/{vector_database}/search", {"json": {"text": "what"}}),
    ("DELETE", "/v1/vector-databases/{vector_database}", {}),
    ("GET", "/v1/stacks/{stack}", {}),
    ("GET", "/v1/stacks/{stack}/outputs", {}),
    ("PATCH", "/v1/stacks/{stack}", {"json": {"variables": {}}}),
    ("POST", "/v1/stacks/{stack}/check-drift", {}),
    ("DELETE", "/v1/stacks/{stack}", {}),
    ("GET", "/v1/connections/{connection}", {}),
    ("PATCH", "/v1/connections/{connection}", {"json": {"region": "here"}}),
    ("POST", "/v1/connections/{connection}/validate", {}),
    ("DELETE", "/v1/connections/{connection}", {}),
    ("GET", "/v1/schedules/{schedule}", {}),
    ("PATCH", "/v1/schedules/{schedule}", {"json": {"every_seconds": 120}}),
    ("POST", "/v1/schedules/{schedule}/pause", {}),
    ("POST", "/v1/schedules/{schedule}/resume", {}),
    ("POST", "/v1/schedules/{schedule}/trigger", {}),
    ("DELETE", "/v1/schedules/{schedule}", {}),
    ("POST", "/v1/tokens/{token}/rotate", {}),
    ("DELETE", "/v1/tokens/{token}", {}),
]
"""Requests for one thing of a tenant."""

OF_MANY = [
    ("GET", "/v1/operations", {}),
    ("POST", "/v1/operations", {"json": {"kind": "add", "spec": {"a": 1}}}),
    ("POST", "/v1/operations:batch", {"json": {"operations": []}}),
    ("POST", "/v1/operations:cancel", {"json": {"filter": {"project": "none"}}}),
    ("GET", "/v1/kinds", {}),
    ("GET", "/v1/kinds/add", {}),
    ("GET", "/v1/datasets", {}),
    ("POST", "/v1/datasets", {"json": {"name": "fresh"}}),
    ("GET", "/v1/files", {}),
    ("POST", "/v1/files?name=fresh&purpose=batch", {"content": b"{}", "headers": OCTETS}),
    ("GET", "/v1/evidence", {}),
    ("POST", "/v1/evidence", {"content": b"{}", "headers": OCTETS}),
    ("GET", "/v1/policies", {}),
    ("PUT", "/v1/policies/fresh", {"json": {**POLICY, "name": "fresh"}}),
    ("POST", "/v1/policies:test", {"json": POLICY}),
    ("GET", "/v1/databases", {}),
    ("GET", "/v1/vector-databases", {}),
    ("GET", "/v1/services", {}),
    ("GET", "/v1/services/calculator", {}),
    ("GET", "/v1/services/calculator/status", {}),
    ("GET", "/v1/modules", {}),
    ("GET", "/v1/stacks", {}),
    ("POST", "/v1/stacks", {"json": {"name": "fresh", "module": "none"}}),
    ("GET", "/v1/connections", {}),
    ("POST", "/v1/connections", {"json": {"name": "fresh", "provider": "local"}}),
    ("GET", "/v1/schedules", {}),
    ("POST", "/v1/schedules", {"json": {**EVERY_HOUR, "name": "fresh"}}),
    ("GET", "/v1/tokens", {}),
    ("POST", "/v1/tokens", {"json": {"role": "viewer"}}),
    ("GET", "/v1/audit", {}),
    ("GET", "/v1/chat-log", {}),
    ("PUT", "/v1/chat-log", {"json": {"is_enabled": False}}),
    ("GET", "/v1/tenants", {}),
    ("POST", "/v1/tenants", {"json": {"name": "new-one"}}),
]
"""Requests for a collection, or for what belongs to no tenant."""

SHOWN = {
    "/v1/kinds/add": "/v1/kinds/{name}",
    "/v1/policies/fresh": "/v1/policies/{policy}",
    "/calculator": "/{service}",
    "/data-sources/d": "/data-sources/{data_source}",
    "/pipe-tables/t": "/pipe-tables/{table}",
    "{operation}": "{ref}",
    "{dataset}": "{ref}",
    "{schedule}": "{ref}",
    "{file}": "{id}",
    "{token}": "{id}",
}
"""How the table of routes writes what the requests name."""

NAMES = ["operation", "dataset", "version", "file", "token"]
NAMES += ["database", "vector_database", "schedule", "evidence", "stack", "connection", "policy"]


@pytest.fixture
async def things(serving):
    """Ids of one thing of each type in the tenant `away`."""
    owner = serving.client("admin", "away")
    operation = await serving.submit(owner)
    dataset = (await owner.post("/v1/datasets", json={"name": "numbers"})).json()
    answer = await owner.post("/v1/datasets/numbers/versions", content=b'{"a":1}\n', headers=JSONL)
    url = "/v1/files?name=f&purpose=batch"
    file = (await owner.post(url, content=b"{}", headers=OCTETS)).json()
    evidence = (await owner.post("/v1/evidence", content=b"{}", headers=OCTETS)).json()
    token = (await owner.post("/v1/tokens", json={"role": "viewer"})).json()["token"]
    schedule = (await owner.post("/v1/schedules", json={**EVERY_HOUR, "name": "hourly"})).json()
    database = await keep_database(serving.store, "d", tenant=serving.away.id)
    vectors = CatalogWrite(
        type=VECTOR_DATABASE,
        id="06EV0000000000000V00",
        document=b'{"chunking":{}}',
        fields={"operation_id": "made"},
    )
    stack = CatalogWrite(
        type=STACK,
        id="06EV0000000000000S00",
        name="stack/s",
        document=b'{"word":"stack","module":{"name":"m","key":"modules/1"}}',
        fields={"operation_id": "made"},
    )
    connection = CatalogWrite(
        type=CONNECTION,
        id="06EV0000000000000C00",
        name="c",
        document=b'{"provider":"local","settings":{"folder":"/srv"}}',
        fields={"operation_id": "made"},
    )
    written = PolicyVersion(
        document=msgspec.convert(POLICY, PolicyDocument), version=1, digest="d", created_by="admin"
    )
    policy = write_policy(("06EV0000000000000P00", "06EV0000000000000P01"), written, None)
    await serving.store.catalog.write(serving.away.id, [vectors, stack, connection, *policy])
    return {
        "database": database,
        "vector_database": vectors.id,
        "stack": stack.id,
        "connection": connection.id,
        "schedule": schedule["id"],
        "operation": operation["id"],
        "dataset": dataset["id"],
        "version": answer.json()["version"],
        "file": file["id"],
        "evidence": evidence["id"],
        "policy": "theirs",
        "token": token["id"],
    }


def test_these_tables_name_every_route(serving):
    tried = {(method, _template(url)) for method, url, _ in OF_ONE + OF_MANY}
    routes = {(route.method, route.path) for route in serving.app.table.routes}
    assert {route for route in routes if route[1] not in OPEN} == tried


def _template(url):
    path = url.partition("?")[0]
    for text, shown in SHOWN.items():
        path = path.replace(text, shown)
    return path


@pytest.mark.parametrize(("method", "url", "extra"), OF_ONE, ids=lambda value: str(value)[:40])
async def test_not_yours_looks_exactly_like_not_there(serving, things, method, url, extra):
    mine = serving.client("admin", HOME)
    missing = dict.fromkeys(NAMES, "0" * 20)
    theirs = await mine.request(method, url.format(**things), **extra)
    nothing = await mine.request(method, url.format(**missing), **extra)
    assert theirs.status_code == nothing.status_code == 404
    bodies = [problem_of(answer) for answer in (theirs, nothing)]
    for body in bodies:
        del body["request_id"]
        for thing in set(NAMES) - {"operation", "token"}:
            body["detail"] = body["detail"].replace(things[thing], "0" * 20)
    assert bodies[0] == bodies[1]
    hidden = {"date", "x-request-id", "content-length"}
    headers = [
        {name: value for name, value in answer.headers.items() if name not in hidden}
        for answer in (theirs, nothing)
    ]
    assert headers[0] == headers[1]


async def test_lists_show_only_the_tenants_own(serving, things):
    mine = serving.client("admin", HOME)
    assert (await mine.get("/v1/operations")).json()["operations"] == []
    assert (await mine.get("/v1/datasets")).json()["datasets"] == []
    tokens = (await mine.get("/v1/tokens")).json()["tokens"]
    assert {token["tenant"] for token in tokens} == {HOME}
    assert things["token"] not in {token["id"] for token in tokens}
    targets = {record["target"] for record in (await mine.get("/v1/audit")).json()["records"]}
    assert not targets & set(things.values())
    wish = {"filter": {}}
    assert (await mine.post("/v1/operations:cancel", json=wish)).json()["matched"] == 0


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_may_do_what_its_verbs_say_and_nothing_else(serving, things, role):
    caller = serving.client(role, "away")
    verbs = {(route.method, route.path): route.verb for route in serving.app.table.routes}
    for method, url, extra in OF_MANY + OF_ONE:
        verb = verbs[method, _template(url)]
        if url.endswith("/events") and extra:
            continue  # a stream that is allowed does not end
        answer = await caller.request(method, url.format(**things), **extra)
        if verb in ALLOWED[role]:
            may_differ = role is Role.SUBMITTER and verb is Verb.SUBMIT and "{" in url
            assert answer.status_code != 403 or may_differ, (url, answer.text)
            assert answer.status_code != 401
        else:
            assert problem_of(answer)["code"] == "forbidden", (url, answer.text)


async def test_a_submitter_may_not_touch_what_others_made(serving, things):
    caller = serving.client("submitter", "away")
    for rest in ("/cancel", "/retry"):
        answer = await caller.post(f"/v1/operations/{things['operation']}{rest}")
        assert problem_of(answer)["code"] == "forbidden"
    for url in (f"/v1/operations/{things['operation']}", f"/v1/datasets/{things['dataset']}"):
        assert problem_of(await caller.delete(url))["code"] == "forbidden"


async def test_no_token_and_a_wrong_one_look_the_same(serving, things):
    good = serving.texts[HOME, Role.ADMIN]
    wrong = [
        None, "", "Bearer", "Bearer ", "Bearer x", f"Basic:{good} x", good, f"Bearer {good}x",
        f"Bearer {good[:-1]}", "Bearer olt__", f"Bearer {good}, Bearer {good}", "Bearer é",
        f"Bearer olt_{things['token']}_x", "Bearer olt_" + "0" * 20 + "_x",
    ]  # fmt: skip
    answers = []
    for value in wrong:
        client = serving.client(None)
        headers = {} if value is None else {"Authorization": value.encode()}
        answer = await client.get("/v1/operations", headers={**headers, "X-Request-Id": "same"})
        assert answer.headers["www-authenticate"] == 'Bearer realm="outlast"'
        answers.append((answer.status_code, answer.text))
    assert set(answers) == {(401, answers[0][1])}


@pytest.mark.parametrize("scheme", ["Basic", "DPoP"])
async def test_a_scheme_that_is_not_supported_is_named_whatever_stands_behind_it(serving, scheme):
    good = serving.texts[HOME, Role.ADMIN]
    for text in (good, "x"):
        client = serving.client(None, Authorization=f"{scheme} {text}")
        problem = problem_of(await client.get("/v1/operations"))
        assert problem["status"] == 401
        assert problem["detail"] == (
            f"the scheme {scheme} is not supported: send Authorization: Bearer TOKEN"
        )


async def test_the_scheme_is_read_in_any_case(serving):
    client = serving.client(None, Authorization=f"bearer  {serving.texts[HOME, Role.VIEWER]}")
    assert (await client.get("/v1/operations")).status_code == 200


@pytest.mark.parametrize("name", ["token", "access_token", "Access_Token", "api_key"])
@pytest.mark.parametrize("url", ["/v1/operations", "/healthz", "/openapi.json", "/metrics"])
async def test_a_token_in_a_url_is_refused(serving, client, name, url):
    answer = await client.get(url, params={name: serving.texts[HOME, Role.ADMIN]})
    problem = problem_of(answer)
    assert answer.status_code == 400
    assert "Authorization: Bearer" in problem["detail"]
    assert serving.texts[HOME, Role.ADMIN] not in answer.text


async def test_root_names_the_tenant_of_each_call(serving, things):
    root = serving.client("root", "away")
    answer = await root.get("/v1/operations")
    assert [one["id"] for one in answer.json()["operations"]] == [things["operation"]]
    del root.headers["Outlast-Tenant"]
    answer = await root.get("/v1/operations")
    assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid_request")
    assert (await root.get("/v1/tenants")).status_code == 200
    answer = await root.get("/v1/operations", headers={"Outlast-Tenant": "nowhere"})
    assert problem_of(answer)["code"] == "not_found"


async def test_others_may_name_only_their_own_tenant(serving):
    admin = serving.client("admin", HOME)
    for name, status in ((HOME, 200), ("away", 403), ("nowhere", 403), ("system", 403)):
        answer = await admin.get("/v1/operations", headers={"Outlast-Tenant": name})
        assert answer.status_code == status
    answer = await admin.get("/v1/operations", headers={"Outlast-Tenant": "é".encode()})
    assert answer.status_code == 400


async def test_an_admin_cannot_take_over_a_root_token(serving, client):
    tokens = (await client.get("/v1/tokens")).json()["tokens"]
    [root] = [token for token in tokens if token["role"] == "root"]
    for answer in (
        await client.post(f"/v1/tokens/{root['id']}/rotate"),
        await client.delete(f"/v1/tokens/{root['id']}"),
        await client.post("/v1/tokens", json={"role": "root"}),
    ):
        assert (answer.status_code, problem_of(answer)["code"]) == (403, "forbidden")


def dialect_routes(serving):
    """Every route of every dialect, at its path on the main port with ids of nothing."""
    for mount in serving.app.front.mounts:
        for route in mount.door.table.routes:
            path = re.sub(r"{\w+(:path)?}", "0" * 20, route.path)
            if route.verb is not None and not mount.is_kept:
                yield route, mount.path + path
            elif route.verb is not None and path.startswith(mount.path):
                yield route, path


FIRST_WORDS = {"gooddata": None, "chainloop": "code", "lakesail": "code"}
"""How the refusals of dialects begin that do not say `detail`."""


async def test_a_dialect_lets_nobody_in_without_a_token(serving):
    caller = serving.client(None)
    for route, path in dialect_routes(serving):
        answer = await caller.request(route.method, path)
        assert answer.status_code == 401, path
        said = next(iter(answer.json()), None) if answer.text else None
        assert said == FIRST_WORDS.get(path.split("/")[1], "detail"), path
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ROOT])
async def test_a_role_may_do_in_a_dialect_what_its_verbs_say(serving, role):
    caller = serving.client(role)
    for route, path in dialect_routes(serving):
        answer = await caller.request(route.method, path)
        assert (answer.status_code == 403) == (route.verb not in ALLOWED[role]), (path, answer.text)
        assert answer.status_code < 500 or answer.status_code == 501, (path, answer.text)
