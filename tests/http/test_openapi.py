import json
import re
from pathlib import Path

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from outlast.engine.preparing import decode_spec
from outlast.http.app import DIALECTS
from outlast.http.errors import STATUS
from outlast.http.openapi import errors_of
from outlast.kinds.sql_query import kinds

[SQL_QUERY] = kinds
DOCS = Path(__file__).parents[2] / "docs" / "http-api.md"


@pytest.fixture
async def document(serving):
    answer = await serving.client(None).get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()


async def test_the_document_is_valid(document):
    OpenAPIV31SpecValidator(document).validate()


async def test_every_route_is_in_the_document(serving, document):
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert described == {(route.method, route.path) for route in serving.app.table.routes}


async def test_every_error_code_is_in_the_document(serving, document):
    assert document["components"]["schemas"]["ErrorCode"]["enum"] == sorted(STATUS)
    text = json.dumps(document["paths"])
    for route in serving.app.table.routes:
        assert all(f'"{code}"' in text for code in errors_of(route))


async def test_every_error_code_is_one_that_some_route_can_answer(serving):
    doors = [serving.app.front.root, *(mount.door for mount in serving.app.front.mounts)]
    named = {code for door in doors for route in door.table.routes for code in errors_of(route)}
    elsewhere = {"method_not_allowed", "outbound_refused", "secret_missing"}
    assert set(STATUS) - named <= elsewhere


async def test_every_kind_is_in_the_document(document):
    schemas = document["components"]["schemas"]
    assert {"add.spec", "add.result", "anything.spec", "anything.result"} <= schemas.keys()
    body = document["paths"]["/v1/operations"]["post"]["requestBody"]["content"]
    kinds = [
        choice["allOf"][1]["properties"]["kind"]["const"]
        for choice in body["application/json"]["schema"]["oneOf"]
    ]
    assert kinds == ["add", "anything"]


async def test_every_reference_leads_somewhere(document):
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        at = document
        for part in reference.split("/"):
            at = at[part]


async def test_every_operation_id_is_there_once(document):
    ids = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(ids) == len(set(ids))


def test_every_declared_error_has_a_status(serving):
    for route in serving.app.table.routes:
        assert set(errors_of(route)) <= set(STATUS)


def test_every_route_has_a_heading_in_the_docs(serving):
    headings = set(re.findall(r"^### `(.*)`$", DOCS.read_text(), re.MULTILINE))
    assert headings == {f"{route.method} {route.path}" for route in serving.app.table.routes}


def test_every_error_code_has_a_row_in_the_docs():
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (\d+) \|", DOCS.read_text(), re.MULTILINE))
    assert rows == {code: str(status) for code, status in STATUS.items()}


def test_every_parameter_and_header_is_named_in_the_docs(serving):
    text = DOCS.read_text()
    for route in serving.app.table.routes:
        section = text.partition(f"### `{route.method} {route.path}`")[2].partition("\n### ")[0]
        for parameter in route.query:
            name = parameter.name.replace(".*", ".KEY")
            assert f"`{name}`" in section, (route.path, name)
        for header in route.headers:
            assert f"`{header.name}`" in section, (route.path, header.name)


def test_the_bodies_of_the_examples_fit_their_routes(serving):
    bodies = {
        (route.method, re.sub(r"\{.*?\}", "sales", route.path)): route.body
        for route in serving.app.table.routes
    }
    form = r"^api (?:-X (\w+) )?\$OUTLAST_URL(\S+)[^`]*? -d '(.*?)'"
    examples = re.findall(form, DOCS.read_text(), re.DOTALL | re.MULTILINE)
    assert len(examples) >= 6
    for method, path, body in examples:
        msgspec.json.decode(body, type=bodies[method or "POST", path])
    specs = re.findall(r'"spec": ({.*?\]})', DOCS.read_text())
    assert len(specs) >= 4
    for spec in specs:
        decode_spec(SQL_QUERY, spec.encode())


@pytest.mark.parametrize("name", DIALECTS)
async def test_the_document_of_a_dialect_is_valid(serving, name):
    document = (await serving.client(None).get(f"/{name}/openapi.json")).json()
    OpenAPIV31SpecValidator(document).validate()
    root = "/" if DIALECTS[name][0].fixed_paths else f"/{name}"
    assert document["servers"] == [{"url": root}]
    described = {(m.upper(), path) for path, methods in document["paths"].items() for m in methods}
    [mount] = [one for one in serving.app.front.mounts if one.path == f"/{name}"]
    assert len(described) == len(mount.door.table.routes)
    operation_ids = re.findall(r'"operationId": "(.*?)"', json.dumps(document))
    assert len(operation_ids) == len(set(operation_ids))


async def test_the_document_of_a_dialect_tells_a_field_fault_from_a_sentence(serving):
    document = (await serving.client(None).get("/nebius/openapi.json")).json()
    responses = document["paths"]["/v1/operations"]["post"]["responses"]
    shown = {
        status: one["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for status, one in responses.items()
        if status in {"400", "404", "422", "500"}
    }
    sentence, fields = "ErrorDetail", "HTTPValidationError"
    assert shown == {"400": sentence, "404": sentence, "422": fields, "500": sentence}


def test_every_route_of_a_dialect_stands_in_its_page(serving):
    for mount in serving.app.front.mounts:
        page = (DOCS.parent / "dialects" / f"{mount.door.prefix.strip('/')}.md").read_text()
        routes = {(route.method, route.path) for route in mount.door.table.routes}
        shown = {f"`{method} {path.replace(':path', '')}`" for method, path in routes}
        assert [one for one in sorted(shown) if one not in page] == []
