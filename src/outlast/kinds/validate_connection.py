"""The kind `validate_connection`: whether a provider lets us in with what is known of it.

It is created with every connection and every change of one. Failure codes, the caller's to mend:

    access_refused     the provider does not take the keys or the password
    folder_refused     the folder is not below one that the settings allow
    backend_refused    the embedding model refuses what it is asked
    missing            there is no such bucket, database or folder
    outbound_refused   the gate does not let calls go there
    unexpected_answer  what answers there is not that provider
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

import msgspec

from outlast.clock import system_clock
from outlast.operations.errors import OutboundRefused
from outlast.operations.kind import Catalog, CatalogWrite, Context, Finish, Kind, Prepared
from outlast.operations.retry import RetryPolicy
from outlast.outbound import Gate
from outlast.resources.configured import InstallationDocument, find_installation
from outlast.resources.connections import find_any, model
from outlast.resources.connections.model import ConnectionDocument


class ValidateSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`connection` is an id or a name."""

    connection: str


class ValidatePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs: the connection as it was read, and what calls it may make."""

    connection: str
    name: str
    document: ConnectionDocument
    revision: int
    allow: tuple[str, ...]
    folders: tuple[str, ...]


class ValidateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says that it is, and who we are to it."""

    connection: str
    provider: str
    identity: dict[str, str]


async def prepare(spec: ValidateSpec, catalog: Catalog) -> Prepared:
    """Find the connection, and make it this operation's to look at.

    Raises NotFound, InvalidSpec, OutboundRefused.
    """
    found = await find_any(catalog, spec.connection)
    writes: list[CatalogWrite] = []
    # One that is written with the operation is its own already.
    if catalog.operation_id is None and found.resource.revision:
        name = found.resource.name
        writes = [model.write_connection(found.id, name, found.document, found.resource.revision)]
    installation = await find_installation(catalog)
    _check_way(found.document.settings, installation)
    plan = ValidatePlan(
        connection=found.id,
        name=found.resource.name,
        document=found.document,
        revision=found.resource.revision,
        allow=installation.outbound_allow,
        folders=installation.connection_folders,
    )
    return Prepared(
        plan=plan,
        writes=writes,
        secrets={f"connection/{name}": found.secrets[name] for name in found.secrets},
        targets=(),
        concurrency_key=model.concurrency_key(found.id),
        resource_type=model.CONNECTION,
        resource_id=found.id,
    )


def _check_way(settings: Mapping[str, str], installation: InstallationDocument) -> None:
    """Refuse at once what could never be reached. Raises OutboundRefused, InvalidSpec."""
    folder = settings.get("folder")
    if folder is not None and not any(
        PurePath(folder).is_relative_to(one) for one in installation.connection_folders
    ):
        raise model.invalid("settings.folder", "it is not below what connections.folders allows")
    for name in ("endpoint", "base_url"):
        if name in settings:
            try:
                Gate(installation.outbound_allow).check(settings[name])
            except OutboundRefused as error:
                error.field_errors = {f"settings.{name}": error.message}
                raise


async def run(plan: ValidatePlan, context: Context) -> Finish:
    """Look whether a connection works."""
    identity = await _look(plan, context)
    document = msgspec.structs.replace(
        plan.document,
        operation_id=context.operation_id,
        validated_at=system_clock(),
        identity=identity,
    )
    # Refused where it was changed meanwhile: another operation looks at that.
    write = model.write_connection(plan.connection, plan.name, document, plan.revision)
    result = ValidateResult(
        connection=plan.connection, provider=plan.document.provider, identity=identity
    )
    return Finish(result=result, writes=[write])


async def _look(plan: ValidatePlan, context: Context) -> dict[str, str]:
    # Only the child has the drivers, so that the server stays small.
    from outlast.kinds.connections.aws import Account, look_at_account  # noqa: PLC0415
    from outlast.kinds.connections.buckets import look_at_bucket  # noqa: PLC0415
    from outlast.kinds.connections.embeddings import look_at_embeddings  # noqa: PLC0415
    from outlast.kinds.connections.folders import look_at_folder  # noqa: PLC0415
    from outlast.kinds.connections.postgres import look_at_database  # noqa: PLC0415

    document, gate = plan.document, Gate(plan.allow)
    secrets = {name.removeprefix("connection/"): one for name, one in context.secrets.items()}
    match document.provider:
        case "aws":
            region = document.region or ""
            account = Account(settings=document.settings, region=region, secrets=secrets, gate=gate)
            return await look_at_account(account)
        case "s3":
            return await look_at_bucket(document.settings, document.region, secrets, gate)
        case "openai_embeddings":
            return await look_at_embeddings(document.settings, secrets, plan.allow)
        case "postgresql":
            return await look_at_database(document.settings, secrets, gate)
        case "local":
            return look_at_folder(document.settings, plan.folders)
        case other:
            raise ValueError(f"nothing here looks at connections to {other}")


kinds: Final = [
    Kind(
        "validate_connection",
        spec=ValidateSpec,
        result=ValidateResult,
        plan=ValidatePlan,
        prepare=prepare,
        run=run,
        secrets=("connection/*",),
        retry=RetryPolicy(attempts_max=2),
        description="Look whether a connection works.",
    ),
    Kind(
        "validate_embedding_endpoint",
        spec=ValidateSpec,
        result=ValidateResult,
        plan=ValidatePlan,
        prepare=prepare,
        run=run,
        secrets=("connection/*",),
        retry=RetryPolicy(attempts_max=2),
        description="Look whether an endpoint embeds: what its vectors are, and how fast it is.",
    ),
]
