"""The OpenAPI 3.1 document of a door, made from its route table and the types."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

import msgspec

from outlast.http.auth import TENANT_HEADER
from outlast.http.errors import TITLES
from outlast.http.faces import Face
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Parameter, Route

PATH: Final = "/openapi.json"
COMMON_ERRORS: Final = ("headers_too_large", "internal_error", "invalid_request", "too_large")
"""What every route can answer."""

TOKEN_ERRORS: Final = ("forbidden", "not_found", "unauthenticated", "unavailable")
"""What every route that needs a token can answer; not found is a tenant that root names."""

_JSON: Final = "application/json"
REF: Final = "#/components/schemas/{name}"
_PARAMETER: Final = re.compile(r"{(\w+)(?::path)?}")
_PARAMETERS: Final = {
    "ref": "An id in any of its forms, or the caller's own name for it.",
    "name": "A kind's name.",
    "version": "A version, or its name.",
}


def openapi_route(others: Sequence[Route], tell: Callable[[Sequence[Route]], Any]) -> Route:
    """The route of the document itself. `tell` makes it of all routes, when it is first read."""

    @cache
    def document() -> bytes:
        return encode(tell([*others, own]))

    async def get(call: Call) -> Answer:
        _ = call
        return Answer(body=document(), cache=b"no-cache")

    own = Route(
        method="GET",
        path=PATH,
        handle=get,
        says="This document",
        verb=None,
        answers={200: dict[str, Any]},
    )
    return own


def describe(
    routes: Sequence[Route], face: Face, *, title: str, summary: str, version: str, url: str
) -> dict[str, Any]:
    """The document of the door that has these routes, below a URL, and this face."""
    types = _types(routes, face)
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    schema_by_type = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, face, schema_by_type)
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "summary": summary,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": url}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
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


def _types(routes: Sequence[Route], face: Face) -> list[Any]:
    """Every type of a body, each once."""
    found: dict[str, Any] = {}
    for route in routes:
        refusals = [face.refusal_type(status) for status in _codes_by_status(route, face)]
        answers = [_choices(answer) for answer in route.answers.values()]
        for type in (route.body, *chain(*answers), *refusals):
            if type is not None and type is not bytes and not isinstance(type, Mapping):
                found[repr(type)] = type
    return list(found.values())


def _choices(type: Any) -> Sequence[Any]:
    """The types of an answer that may be one of several."""
    return type if isinstance(type, tuple) else (type,)


def _codes_by_status(route: Route, face: Face) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for code in errors_of(route):
        for status in face.statuses(code):
            found.setdefault(status, []).append(code)
    return dict(sorted(found.items()))


def _operation(route: Route, face: Face, schemas: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.says,
        "tags": [route.path.lstrip("/").removeprefix("v1/").split("/")[0].split(":")[0]],
        "parameters": _parameters(route),
        "responses": _responses(route, face, schemas),
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
            "description": route.params.get(name) or _PARAMETERS.get(name, "An id."),
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


def _responses(route: Route, face: Face, schemas: Mapping[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, type in route.answers.items():
        response: dict[str, Any] = {"description": _DESCRIPTIONS[status]}
        if type is not None:
            schema = _schema(type, schemas)
            response["content"] = {
                media: {"schema": schema if media.startswith(_JSON) else {"type": "string"}}
                for media in route.answer_media
            }
        responses[str(status)] = response
    for status, codes in _codes_by_status(route, face).items():
        responses[str(status)] = _refusal(status, codes, face, schemas)
    return responses


def _refusal(
    status: int, codes: Sequence[str], face: Face, schemas: Mapping[str, Any]
) -> dict[str, Any]:
    described: dict[str, Any] = {"description": f"{TITLES[status]}: {', '.join(codes)}"}
    type = face.refusal_type(status)
    if type is not None:
        schema = _schema(type, schemas)
        if face.shows_codes:
            schema = {"allOf": [schema, {"properties": {"code": {"enum": list(codes)}}}]}
        described["content"] = {face.refusal_media: {"schema": schema}}
    return described


def _schema(type: Any, schemas: Mapping[str, Any]) -> Any:
    if isinstance(type, Mapping):
        return type
    if isinstance(type, tuple):
        return {"anyOf": [_schema(one, schemas) for one in type]}
    return {"type": "string", "format": "binary"} if type is bytes else schemas[repr(type)]


_DESCRIPTIONS: Final = {
    200: "OK",
    201: "Created",
    202: "Accepted: not ended yet",
    204: "Done, or nothing more to tell",
    303: "Done: what it left behind is there",
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
