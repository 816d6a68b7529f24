"""What kinds read and write: versions of datasets, as they stand in a spec and in a plan.

A source without a version is the version that is current when the attempt starts. Without a target
the rows go to a temporary dataset, which bears the operation's id.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.operations.errors import InvalidSpec
from outlast.operations.kind import Catalog, Resource
from outlast.resources.datasets import model
from outlast.resources.datasets.publishing import check_alias_is_free
from outlast.resources.datasets.resolving import find_dataset, find_version, version_document

PARTS_MAX: Final = 10_000


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset by id or name, and a version of it or an alias; without one, the current one."""

    dataset: str
    version: str | None = None


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the rows go: a dataset by id or name, or the id of one to be made.

    Without a dataset a temporary one is made. `version_name` becomes an alias of the new version.
    """

    dataset: str | None = None
    version_name: str | None = None


async def find_source(catalog: Catalog, source: Source) -> Resource:
    """The version that a source names, as it is now. Raises NotFound."""
    dataset = await find_dataset(catalog, source.dataset)
    return await find_version(catalog, dataset, source.version)


def part_keys(version: Resource) -> Sequence[str]:
    """The object keys of a version's Parquet parts, in order. Raises InvalidSpec for too many."""
    parts = version_document(version).manifest.parts
    if len(parts) > PARTS_MAX:
        message = f"version {version.name!r} has more than {PARTS_MAX} parts"
        raise InvalidSpec(message, field_errors={"src": message})
    return [model.part_key(version.tenant, part.sha256) for part in parts]


def targets(dataset: str | None) -> Sequence[str]:
    """What an attempt may publish into whose target has this id."""
    return () if dataset is None else (dataset,)


def new_version(
    manifest: model.Manifest,
    files: Sequence[str],
    *,
    dataset: str | None,
    version_name: str | None,
    operation_id: str,
) -> model.NewVersion:
    """What publishes rows into a target; `dataset` None is a temporary one."""
    return model.NewVersion(
        dataset=operation_id if dataset is None else dataset,
        version=manifest.version,
        manifest=manifest,
        files=tuple(files),
        version_name=version_name,
        is_temporary=dataset is None,
    )


async def target_id(catalog: Catalog, target: Target) -> str | None:
    """The id of the dataset that a target names or asks to be made; None: a temporary one.

    Raises InvalidSpec for an id that no dataset can have, ResourceExists for a version's name that
    is taken.
    """
    if target.version_name is not None:
        model.check_version_name(target.version_name)
    if target.dataset is None:
        return None
    found = await catalog.get(model.DATASET, target.dataset)
    if found is None:
        return model.check_dataset_id(target.dataset)
    if target.version_name is not None:
        await check_alias_is_free(catalog, found.id, target.version_name)
    return found.id
