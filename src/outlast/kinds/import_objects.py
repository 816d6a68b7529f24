"""The kind `import_objects`: objects of a caller's bucket become a version of a dataset.

The attempt has the network and the caller's keys, and parses nothing: what it fetched is parsed in
a locked child below it. All objects below the prefix are one table, in the order of their keys;
empty ones are passed over. Failure codes, all of them the caller's to mend:

    objects_missing   there is no such bucket, or nothing below the prefix
    access_refused    the bucket refuses the keys
    outbound_refused  the endpoint is not on the public internet, nor named by outbound.allow
    invalid_file      an object cannot be read as such, or does not fit the declared columns
    result_too_large  there are more objects, rows or bytes than one version may hold
"""

import asyncio
import os
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.executors.calls import Sandbox
from outlast.executors.launching import Launcher
from outlast.kinds.importing.fetching import Place, fetch_objects
from outlast.kinds.targets import Target, new_version, target_id, targets
from outlast.operations.errors import (
    Fatal,
    Invalid,
    InvalidSpec,
    OutboundRefused,
    TooLarge,
)
from outlast.operations.kind import Catalog, CatalogWrite, Context, Finish, Kind, Prepared
from outlast.operations.retry import RetryPolicy
from outlast.outbound import Gate
from outlast.resources.configured import InstallationDocument, find_installation
from outlast.resources.datasets import calls, model
from outlast.resources.datasets.calls import FilesArguments, GuessedFormat
from outlast.resources.datasets.declaration import DeclaredColumn, check_columns
from outlast.resources.datasets.locked_calls import LockedCalls
from outlast.resources.datasets.model import Column, Manifest
from outlast.resources.datasets.publishing import write_dataset
from outlast.resources.datasets.resolving import dataset_document
from outlast.resources.intake import copy_plain

_SEALED: Final = "sealed:"
_URL: Final = re.compile(r"s3://[A-Za-z0-9._-]{1,255}(/[^\x00-\x1f\x7f]{0,1024})?")


class ImportSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Objects of a bucket, and where their rows go.

    `url` is s3://BUCKET/PREFIX, or the URL of one object. The keys are references to secrets of
    this operation; without them the bucket must be public. Without `columns` they are what the rows
    turn out to have. `must_exist`: a dataset that is deleted meanwhile is not made anew.
    """

    url: str
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    format: GuessedFormat = "auto"
    columns: tuple[DeclaredColumn, ...] | None = None
    dst: Target | None = None
    must_exist: bool = False


class ImportPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs. `dataset` None asks for a temporary one."""

    url: str
    endpoint: str | None
    region: str | None
    format: GuessedFormat
    columns: tuple[DeclaredColumn, ...] | None
    installation: InstallationDocument
    dataset: str | None = None
    version_name: str | None = None
    must_exist: bool = False


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    """The version that was made, and of how many objects."""

    dataset: str
    version: str
    rows: int
    bytes: int
    columns: tuple[Column, ...]
    objects: int


async def prepare(spec: ImportSpec, catalog: Catalog) -> Prepared:
    """Check the address and find the target. Raises InvalidSpec, OutboundRefused, ResourceExists.

    A dataset that a former operation should have filled is this one's to fill now.
    """
    secrets = _references(spec)
    if not _URL.fullmatch(spec.url):
        raise _invalid("url", "is s3://BUCKET/PREFIX, or the URL of one object")
    if spec.columns is not None:
        check_columns(spec.columns)
    installation = await find_installation(catalog)
    if spec.endpoint is not None:
        try:
            Gate(installation.outbound_allow).check(spec.endpoint)
        except OutboundRefused as error:
            error.field_errors = {"endpoint": error.message}
            raise
    target = spec.dst or Target()
    dataset = await target_id(catalog, target)
    plan = ImportPlan(
        url=spec.url,
        endpoint=spec.endpoint,
        region=spec.region,
        format=spec.format,
        columns=spec.columns,
        installation=installation,
        dataset=dataset,
        version_name=target.version_name,
        must_exist=spec.must_exist,
    )
    return Prepared(
        plan=plan,
        secrets=secrets,
        writes=await _taken_over(catalog, dataset),
        targets=targets(dataset),
    )


def _references(spec: ImportSpec) -> dict[str, str]:
    named = {"access_key": spec.access_key, "secret_key": spec.secret_key}
    given = {name: reference for name, reference in named.items() if reference is not None}
    if len(given) == 1:
        missing = "secret_key" if "access_key" in given else "access_key"
        raise _invalid(missing, "access_key and secret_key belong together")
    for name, reference in given.items():
        # The key of a backend would go to whatever endpoint the caller names.
        if not reference.startswith(_SEALED):
            raise _invalid(name, "is a reference to a sealed secret of this operation")
    return given


async def _taken_over(catalog: Catalog, dataset: str | None) -> Sequence[CatalogWrite]:
    found = None if dataset is None else await catalog.get(model.DATASET, dataset)
    if found is None or model.OWNER not in found.fields:
        return ()
    write = write_dataset(found.id, dataset_document(found), found, found.name)
    return [msgspec.structs.replace(write, is_owned=True)]


async def run(plan: ImportPlan, context: Context) -> Finish:
    """Make objects of a bucket a version of a dataset."""
    place = Place(
        url=plan.url,
        endpoint=plan.endpoint,
        region=plan.region,
        allow=plan.installation.outbound_allow,
    )
    files = await fetch_objects(place, plan.format, context)
    context.report(stage="parsing")
    arguments = FilesArguments(files=tuple(files), columns=plan.columns)
    manifest, names = await _parse(plan, arguments, context)
    required = () if plan.columns is None else plan.columns
    publication = msgspec.structs.replace(
        new_version(
            manifest,
            names,
            dataset=plan.dataset,
            version_name=plan.version_name,
            operation_id=context.operation_id,
        ),
        must_exist=plan.must_exist,
        required=tuple(column.name for column in required if not column.is_optional),
        origin="s3",
    )
    result = ImportResult(
        dataset=publication.dataset,
        version=publication.version,
        rows=manifest.rows,
        bytes=manifest.bytes,
        columns=manifest.columns,
        objects=len(files),
    )
    return Finish(result=result, writes=[publication])


async def _parse(
    plan: ImportPlan, arguments: FilesArguments, context: Context
) -> tuple[Manifest, tuple[str, ...]]:
    """Have the objects parsed in a locked child; the parts, as files of the workdir."""
    inputs = {file.file: context.workdir / file.file for file in arguments.files}
    launcher = Launcher(
        context.workdir / "calls",
        environment=os.environ,
        allow_unsandboxed=plan.installation.allow_unsandboxed,
    )
    await launcher.open()
    try:
        made = LockedCalls(Sandbox(launcher)).parts(calls.PARSE_FILES, arguments, inputs)
        async with made as parsed:
            names = tuple(f"part-{number:05}.parquet" for number in range(len(parsed.files)))
            for name, own in zip(parsed.files, names, strict=True):
                await asyncio.to_thread(copy_plain, parsed.folder, name, context.workdir / own)
            return parsed.manifest, names
    except TooLarge as error:
        raise Fatal("result_too_large", error.message) from error
    except Invalid as error:
        raise Fatal("invalid_file", error.message) from error
    finally:
        await launcher.close()


def _invalid(field: str, message: str) -> InvalidSpec:
    return InvalidSpec(f"{field}: {message}", field_errors={field: message})


kinds: Final = [
    Kind(
        "import_objects",
        spec=ImportSpec,
        result=ImportResult,
        plan=ImportPlan,
        prepare=prepare,
        run=run,
        secrets=("access_key", "secret_key"),
        retry=RetryPolicy(attempts_max=3),
        description="Make objects of a bucket a version of a dataset.",
    )
]
