"""The OpenAPI 3.1 document, made from the route table and the types."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from outlast.http.auth import TENANT_HEADER
from outlast.http.errors import STATUS, TITLES, Problem
from outlast.http.kinds import schema_of
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.operations.kind import Kind

PATH: Final = "/openapi.json"
COMMON_ERRORS: Final = ("headers_too_large", "internal_error", "invalid_request", "too_large")
"""What every route can answer."""

TOKEN_ERRORS: Final = ("forbidden", "not_found", "unauthenticated", "unavailable")
"""What every route that needs a token can answer; not found is a tenant that root names."""

_REF: Final = "#/components/schemas/{name}"
_PROBLEM_MEDIA: Final = "application/problem+json"
_PARAMETER: Final = re.compile(r"{(\w+)}")
_PARAMETERS: Final = {
    "ref": "An id in any of its forms, or the caller's own name for it.",
    "name": "A kind's name.",
    "id": "An id.",
    "version": "A version, or its name.",
}


class OpenApiRoutes:
    """The route of the document itself, which is encoded once."""

    def __init__(self, others: Sequence[Route], kinds: Mapping[str, Kind], version: str) -> None:
        self._own = Route(
            method="GET",
            path=PATH,
            handle=self._get,
            says="This document",
            verb=None,
            answers={200: dict[str, Any]},
        )
        self._document = encode(describe([*others, self._own], kinds, version))

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [self._own]

    async def _get(self, call: Call) -> Answer:
        _ = call
        return Answer(body=self._document, cache=b"no-cache")


def describe(routes: Sequence[Route], kinds: Mapping[str, Kind], version: str) -> dict[str, Any]:
    """The document."""
    types = _types(routes)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_by_type = dict(zip(map(repr, types), schemas, strict=True))
    components["ErrorCode"] = {"type": "string", "enum": sorted(STATUS)}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_by_type)
    _add_kinds(paths, components, kinds)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Outlast",
            "version": version,
            "summary": "Long-running operations: submit, follow, cancel.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {code: _error(code) for code in STATUS},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def errors_of(route: Route) -> list[str]:
    """Every code that a route can answer, sorted."""
    codes = {*COMMON_ERRORS, *route.errors}
    if route.verb is not None:
        codes.update(TOKEN_ERRORS)
    if route.path == "/readyz":
        codes.add("unavailable")
    return sorted(codes)


def _types(routes: Sequence[Route]) -> list[Any]:
    """Every type of a body, each once."""
    found: dict[str, Any] = {repr(Problem): Problem}
    for route in routes:
        for type in (route.body, *route.answers.values()):
            if type is not None and type is not bytes:
                found[repr(type)] = type
    return list(found.values())


def _operation(route: Route, schemas: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.says,
        "tags": [route.path.lstrip("/").removeprefix("v1/").split("/")[0].split(":")[0]],
        "parameters": _parameters(route),
        "responses": _responses(route, schemas),
    }
    if route.verb is None:
        operation["security"] = (
            [] if "unauthenticated" not in route.errors else [{}, {"bearer": []}]
        )
    else:
        operation["x-outlast-verb"] = str(route.verb)
    if route.body is not None:
        schema = _schema(route.body, schemas)
        operation["requestBody"] = {
            "required": True,
            "content": {media: {"schema": schema} for media in route.body_media},
        }
    return operation


def _operation_id(route: Route) -> str:
    words = re.findall(r"\w+", route.path.removeprefix("/v1"))
    return "_".join([route.method.lower(), *words])


def _parameters(route: Route) -> list[dict[str, Any]]:
    described: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": _PARAMETERS[name],
        }
        for name in _PARAMETER.findall(route.path)
    ]
    described.extend(_query_parameter(parameter) for parameter in route.query)
    headers = [*route.headers, _REQUEST_ID]
    if route.verb is not None:
        headers.append(_TENANT)
    described.extend(
        {
            "name": header.name,
            "in": "header",
            "schema": header.schema,
            "description": header.says,
        }
        for header in headers
    )
    return described


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": "query",
        "description": parameter.says,
        "schema": parameter.schema,
    }
    if parameter.is_repeatable:
        described["schema"] = {"type": "array", "items": parameter.schema}
    elif parameter.name.endswith("*"):
        described["name"] = parameter.name.removesuffix(".*")
        described["schema"] = {"type": "object", "additionalProperties": parameter.schema}
        # No style of OpenAPI writes label.KEY=VALUE; an exploded form comes nearest.
        described["style"], described["explode"] = "form", True
    return described


def _responses(route: Route, schemas: Mapping[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, type in route.answers.items():
        response: dict[str, Any] = {"description": _DESCRIPTIONS[status]}
        if type is not None:
            schema = _schema(type, schemas)
            response["content"] = {
                media: {"schema": schema if media == "application/json" else {"type": "string"}}
                for media in route.answer_media
            }
        responses[str(status)] = response
    by_status: dict[int, list[str]] = {}
    for code in errors_of(route):
        by_status.setdefault(STATUS[code], []).append(code)
    for status, codes in sorted(by_status.items()):
        if len(codes) == 1:
            responses[str(status)] = {"$ref": f"#/components/responses/{codes[0]}"}
        else:
            responses[str(status)] = _error(*codes)
    return responses


def _error(*codes: str) -> dict[str, Any]:
    title = TITLES[STATUS[codes[0]]]
    narrowed = {"properties": {"code": {"enum": list(codes)}}}
    return {
        "description": f"{title}: {', '.join(codes)}",
        "content": {
            _PROBLEM_MEDIA: {"schema": {"allOf": [{"$ref": _REF.format(name="Problem")}, narrowed]}}
        },
    }


def _schema(type: Any, schemas: Mapping[str, Any]) -> Any:
    return {"type": "string", "format": "binary"} if type is bytes else schemas[repr(type)]


def _add_kinds(
    paths: Mapping[str, Any], components: dict[str, Any], kinds: Mapping[str, Kind]
) -> None:
    """The schemas of every kind, and the body of a submission as one of them."""
    choices: list[Any] = []
    for name in sorted(kinds):
        for half, type in (("spec", kinds[name].spec), ("result", kinds[name].result)):
            components[f"{name}.{half}"] = _with_id(schema_of(type), f"{name}.{half}")
        narrowed = {
            "properties": {
                "kind": {"const": name},
                "spec": {"$ref": _REF.format(name=f"{name}.spec")},
            }
        }
        choices.append({"allOf": [{"$ref": _REF.format(name="SubmitBody")}, narrowed]})
    if choices:
        content = paths["/v1/operations"]["post"]["requestBody"]["content"]
        content["application/json"]["schema"] = {"oneOf": choices}


def _with_id(schema: Any, prefix: str) -> Any:
    """The schema with its $defs found inside of this document's components."""
    base = _REF.format(name=prefix) + "/$defs/"
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs/", base)
            if key == "$ref" and isinstance(value, str)
            else _with_id(value, prefix)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_with_id(item, prefix) for item in schema]
    return schema


_DESCRIPTIONS: Final = {
    200: "OK",
    201: "Created",
    202: "Accepted: not ended yet",
    204: "Done, or nothing more to tell",
    304: "Not changed",
}
_REQUEST_ID: Final = Parameter(
    name="X-Request-Id",
    schema={"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,128}$"},
    says="The caller's id for this request; it is echoed, and made where there is none.",
)
_TENANT: Final = Parameter(
    name=TENANT_HEADER,
    schema={"type": "string"},
    says="The tenant's name or id; a root token must name it.",
)
