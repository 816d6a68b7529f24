"""What a connection is, and what each provider is reached by. Pure.

In the catalog stands `connection`, under an id of ours. Its secrets are beside it, sealed, as
`connection_secret` under the same id. An operation looks whether it works: the indexed field
`operation_id` names the one that was asked for last, and the document the last that succeeded.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from outlast.operations import documents
from outlast.operations.errors import InvalidSpec, NotFound
from outlast.operations.kind import CatalogWrite, Resource

CONNECTION: Final = "connection"
CONNECTION_SECRET: Final = "connection_secret"  # noqa: S105  the name of a type
OWNER: Final = "operation_id"
VALUE_CHARS_MAX: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_REGION: Final = re.compile(r"[a-z0-9-]{1,50}")
_FORMS: Final = {
    "port": re.compile(r"[1-9][0-9]{0,4}"),
    "sslmode": re.compile(r"disable|prefer|require"),
    "url": re.compile(r"s3://[^/?#\s]+(/[^?#]*)?"),
    "base_url": re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?"),
    "endpoint": re.compile(r"https?://[^/?#\s]+/?"),
    "folder": re.compile(r"/.*"),
}
_LIKE: Final = {
    "port": "5432",
    "sslmode": "disable, prefer or require",
    "url": "s3://BUCKET/PREFIX",
    "base_url": "https://HOST:PORT/v1",
    "endpoint": "https://HOST:PORT",
    "folder": "/srv/data",
}
_REF_CHARS_SHOWN: Final = 130

Status = Literal["validating", "ready", "failed"]


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection to a provider has.

    `variables` are what programs look for in their environment: the setting or the secret of each,
    or `region`. Operations of the kind `validated_by` look at it.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    required_secrets: tuple[str, ...] = ()
    needs_region: bool = False
    variables: Mapping[str, str] = MappingProxyType({})
    validated_by: str = "validate_connection"


PROVIDERS: Final[Mapping[str, Provider]] = {
    "aws": Provider(
        required=(),
        optional=("endpoint",),
        secrets=("access_key", "secret_key", "session_token"),
        required_secrets=("access_key", "secret_key"),
        needs_region=True,
        variables={
            "AWS_ACCESS_KEY_ID": "access_key",
            "AWS_SECRET_ACCESS_KEY": "secret_key",
            "AWS_SESSION_TOKEN": "session_token",
            "AWS_REGION": "region",
            "AWS_ENDPOINT_URL": "endpoint",
        },
    ),
    "local": Provider(required=("folder",), variables={"OUTLAST_FOLDER": "folder"}),
    "openai_embeddings": Provider(
        required=("base_url", "model"),
        optional=("title", "use_case", "credential"),
        secrets=("api_key",),
        validated_by="validate_embedding_endpoint",
    ),
    "postgresql": Provider(
        required=("host", "database", "user"),
        optional=("port", "sslmode"),
        secrets=("password",),
        variables={
            "PGHOST": "host",
            "PGPORT": "port",
            "PGDATABASE": "database",
            "PGUSER": "user",
            "PGSSLMODE": "sslmode",
            "PGPASSWORD": "password",
        },
    ),
    "s3": Provider(
        required=("url",),
        optional=("endpoint",),
        secrets=("access_key", "secret_key"),
        variables={
            "AWS_ACCESS_KEY_ID": "access_key",
            "AWS_SECRET_ACCESS_KEY": "secret_key",
            "AWS_REGION": "region",
            "AWS_ENDPOINT_URL_S3": "endpoint",
        },
    ),
}


class ConnectionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog keeps of a connection.

    `operation_id` found at `validated_at` that it works; `identity` is what it was told then.
    """

    provider: str
    region: str | None = None
    settings: Mapping[str, str] = {}
    secret_names: tuple[str, ...] = ()
    created_by: str = ""
    operation_id: str | None = None
    validated_at: int | None = None
    identity: Mapping[str, str] = {}


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection as callers see it. `operation_id` was asked last to look whether it works."""

    id: str
    name: str
    provider: str
    region: str | None
    settings: Mapping[str, str]
    secret_names: tuple[str, ...]
    status: Status
    identity: Mapping[str, str]
    validated_at: int | None
    created_at: int
    created_by: str
    updated_at: int
    operation_id: str


def check_name(name: str) -> str:
    """The name itself, if a connection may bear it. Raises InvalidSpec."""
    if not _NAME.fullmatch(name):
        raise invalid("name", "it has 1 to 100 of A-Z a-z 0-9 _ . - and begins with a letter")
    return name


def check_region(region: str) -> str:
    """The region itself, if one may be called so: it becomes part of the name of a host."""
    if not _REGION.fullmatch(region):
        raise invalid("region", "it has 1 to 50 of a-z 0-9 -")
    return region


def check_connection(document: ConnectionDocument) -> ConnectionDocument:
    """The document itself, if it has what its provider is reached by. Raises InvalidSpec."""
    provider = PROVIDERS.get(document.provider)
    if provider is None:
        raise invalid("provider", f"there are connections to {', '.join(PROVIDERS)}")
    _check_names("settings", document.settings.keys(), provider.required, provider.optional)
    secrets = set(document.secret_names)
    _check_names("secrets", secrets, provider.required_secrets, provider.secrets)
    if document.provider == "s3" and len(secrets) == 1:
        raise invalid("secrets", "access_key and secret_key belong together")
    if document.region is None and provider.needs_region:
        raise invalid("region", "the provider needs one")
    if document.region is not None:
        check_region(document.region)
    for name, value in document.settings.items():
        if not 1 <= len(value) <= VALUE_CHARS_MAX or not value.isprintable():
            reason = f"it has 1 to {VALUE_CHARS_MAX} printable characters"
            raise invalid(f"settings.{name}", reason)
        if name in _FORMS and not _FORMS[name].fullmatch(value):
            raise invalid(f"settings.{name}", f"it is like {_LIKE[name]}")
    return document


def _check_names(
    field: str, given: AbstractSet[str], required: tuple[str, ...], others: tuple[str, ...]
) -> None:
    missing = sorted(set(required) - given)
    if missing:
        raise invalid(f"{field}.{missing[0]}", "it is missing")
    unknown = sorted(set(given) - {*required, *others})
    if unknown:
        known = ", ".join((*required, *others)) or "none"
        raise invalid(f"{field}.{unknown[0][:100]}", f"there is no such name; there is {known}")


def invalid(field: str, message: str) -> InvalidSpec:
    """What is wrong with a field."""
    return InvalidSpec(f"{field}: {message}", field_errors={field: message})


def connection_document(resource: Resource) -> ConnectionDocument:
    """What a connection's resource says."""
    return msgspec.json.decode(resource.document, type=ConnectionDocument)


def write_connection(
    id: str, name: str, document: ConnectionDocument, expected_revision: int
) -> CatalogWrite:
    """The write of a connection that the operation it is written with looks at."""
    return CatalogWrite(
        type=CONNECTION,
        id=id,
        name=name,
        document=documents.encode(document),
        fields={"provider": document.provider},
        expected_revision=expected_revision,
        is_owned=True,
    )


def secret_reference(id: str, name: str) -> str:
    """What stands for a secret of a connection, where secrets are resolved."""
    return f"{CONNECTION}:{id}/{name}"


def concurrency_key(id: str) -> str:
    """The key of the operations that look at a connection: one at a time."""
    return f"{CONNECTION}:{id}"


def no_connection(ref: str) -> NotFound:
    """There is no such connection."""
    return NotFound(f"there is no connection {ref[:_REF_CHARS_SHOWN]!r}")
