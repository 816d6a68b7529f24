"""The kind `verify_dataset`: whether a version's parts still are what they were.

Nothing is parsed: the bytes of each part are hashed again. A part that is gone fails the operation
(`not_found`).
"""

import hashlib
from typing import Final

import msgspec

from outlast.kinds.targets import Source, find_source, part_keys
from outlast.operations.errors import Fatal
from outlast.operations.kind import Catalog, Context, Kind, Prepared
from outlast.operations.retry import RetryPolicy
from outlast.resources.datasets.model import Part
from outlast.resources.datasets.resolving import version_document

_CHUNK_BYTES: Final = 1024 * 1024


class VerifySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset by its id or name, and a version of it or an alias; without one, the current."""

    dataset: str
    version: str | None = None


class VerifyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler needs: the parts, which lie in the workdir by their numbers."""

    dataset: str
    version: str
    parts: tuple[Part, ...]


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """A version all of whose parts are what they were."""

    dataset: str
    version: str
    parts: int
    bytes: int


async def prepare(spec: VerifySpec, catalog: Catalog) -> Prepared:
    """Find the version. Raises NotFound, InvalidSpec."""
    version = await find_source(catalog, Source(dataset=spec.dataset, version=spec.version))
    document = version_document(version)
    manifest = document.manifest
    inputs = {str(number): key for number, key in enumerate(part_keys(version))}
    plan = VerifyPlan(dataset=document.dataset, version=manifest.version, parts=manifest.parts)
    return Prepared(plan=plan, inputs=inputs, targets=())


def run(plan: VerifyPlan, context: Context) -> Verification:
    """Hash the parts of a dataset's version again, and compare."""
    total = sum(part.bytes for part in plan.parts)
    done, damaged = 0, list[str]()
    for number, part in enumerate(plan.parts):
        digest = hashlib.sha256()
        with (context.workdir / str(number)).open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                done += len(chunk)
                context.report(min(done, total), total, unit="bytes")
        if digest.hexdigest() != part.sha256:
            damaged.append(part.sha256)
    if damaged:
        raise Fatal(
            "damaged",
            f"{len(damaged)} of {len(plan.parts)} parts are not what they were",
            details={"parts": damaged[:100]},
        )
    return Verification(
        dataset=plan.dataset, version=plan.version, parts=len(plan.parts), bytes=total
    )


kinds: Final = [
    Kind(
        "verify_dataset",
        spec=VerifySpec,
        result=Verification,
        plan=VerifyPlan,
        prepare=prepare,
        run=run,
        retry=RetryPolicy(attempts_max=2),
        description="Hash the parts of a dataset's version again, and compare.",
    )
]
