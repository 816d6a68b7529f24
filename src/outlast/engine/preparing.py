"""The first half of a kind: from a spec and what exists to a plan."""

import inspect
import re
from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from outlast.operations import documents
from outlast.operations.errors import InvalidSpec, Unavailable
from outlast.operations.kind import Catalog, Kind, Prepared, Resource
from outlast.store.port import CatalogStore

_FIND_MAX: Final = 500
_NAMED_FIELD: Final = re.compile(r"(?:required|unknown) field `([^`]+)`")


class TenantCatalog:
    """A catalog as `prepare` sees it: one tenant's resources, read only."""

    def __init__(self, catalog: CatalogStore, tenant: str) -> None:
        self._catalog = catalog
        self._tenant = tenant

    async def get(self, type: str, id_or_name: str) -> Resource | None:
        """See `operations.kind.Catalog`."""
        return await self._catalog.read(self._tenant, type, id_or_name)

    async def find(self, type: str, *, limit: int = 100, **fields: str) -> Sequence[Resource]:
        """See `operations.kind.Catalog`."""
        return await self._catalog.find(
            self._tenant, type, fields=fields, limit=min(limit, _FIND_MAX)
        )


class Preparer(Protocol):
    """Runs a kind's `prepare`: in this process for our own kinds, in a child for others'."""

    async def prepare(self, kind: Kind, spec: bytes, catalog: Catalog) -> Prepared:
        """What `prepare` answers; its `plan` is encoded JSON.

        Raises what `prepare` raises, and PrepareTimedOut.
        """


class OwnPreparer:
    """Runs `prepare` in this process: for kinds whose code is ours, or that have none."""

    async def prepare(self, kind: Kind, spec: bytes, catalog: Catalog) -> Prepared:
        """See Preparer."""
        if kind.prepare is None:
            return Prepared(plan=spec)
        answer: Any = kind.prepare(decode_spec(kind, spec), catalog)
        if inspect.isawaitable(answer):
            answer = await answer
        prepared = answer if isinstance(answer, Prepared) else Prepared(plan=answer)
        return msgspec.structs.replace(prepared, plan=documents.encode(prepared.plan))


def check_prepared(kind: Kind, prepared: Prepared) -> Prepared:
    """What `prepare` gave, if the kind may ask for it. Raises Unavailable: the kind is at fault."""
    undeclared = sorted(prepared.secrets.keys() - set(kind.secrets))
    if undeclared:
        raise Unavailable(
            f"kind {kind.name} asks for secrets that it does not declare: {', '.join(undeclared)}"
        )
    both = sorted(prepared.inputs.keys() & prepared.exports.keys())
    if both:
        raise Unavailable(f"kind {kind.name} names inputs twice: {', '.join(both)}")
    return prepared


def decode_spec(kind: Kind, spec: bytes) -> Any:
    """The spec as the kind's type. Raises InvalidSpec, naming the field."""
    try:
        return msgspec.json.decode(spec, type=kind.spec)
    except msgspec.ValidationError as error:
        text = str(error)
        reason, _, path = text.partition(" - at `")
        steps = [path.rstrip("`").removeprefix("$").removeprefix(".")]
        # A field that is missing or unknown is named in the text, not in the path.
        steps += _NAMED_FIELD.findall(reason)
        field = ".".join(filter(None, steps)) or "spec"
        raise InvalidSpec(f"{kind.name}: {text}", field_errors={field: reason}) from error
    except msgspec.DecodeError as error:
        raise InvalidSpec(f"{kind.name}: the spec is not JSON: {error}") from error
