"""The first half of a kind: from a spec and what exists to a plan."""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec.structs import replace

from outlast.operations import documents
from outlast.operations.errors import InvalidSpec, Unavailable
from outlast.operations.kind import Catalog, CatalogWrite, Kind, Prepared, Resource
from outlast.store.port import CatalogStore

_FIND_MAX: Final = 500
_KINDS_MAX: Final = 3
_NAMED_FIELD: Final = re.compile(r"(?:required|unknown) field `([^`]+)`")


class TenantCatalog:
    """A catalog as `prepare` sees it: one tenant's resources, read only.

    What `writes` will make is shown by its id as if it were there already, at revision 0.
    """

    def __init__(
        self,
        catalog: CatalogStore,
        tenant: str,
        operation_id: str | None = None,
        writes: Sequence[CatalogWrite] = (),
    ) -> None:
        self._catalog = catalog
        self._tenant = tenant
        self._operation_id = operation_id
        self._wished = {(write.type, write.id): write for write in writes}

    @property
    def operation_id(self) -> str | None:
        """See `operations.kind.Catalog`."""
        return self._operation_id

    async def get(self, type: str, id_or_name: str) -> Resource | None:
        """See `operations.kind.Catalog`."""
        write = self._wished.get((type, id_or_name))
        if write is not None:
            return _as_if_made(self._tenant, write)
        return await self._catalog.read(self._tenant, type, id_or_name)

    async def find(self, type: str, *, limit: int = 100, **fields: str) -> Sequence[Resource]:
        """See `operations.kind.Catalog`."""
        return await self._catalog.find(
            self._tenant, type, fields=fields, limit=min(limit, _FIND_MAX)
        )


def _as_if_made(tenant: str, write: CatalogWrite) -> Resource | None:
    if write.document is None:
        return None
    return Resource(
        tenant=tenant,
        type=write.type,
        id=write.id,
        name=write.name,
        document=write.document,
        revision=0,
        created_at=0,
        updated_at=0,
        fields=write.fields,
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
        return replace(prepared, plan=documents.encode(prepared.plan))


class PreparedOperation(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a spec. `kinds` begin with the operation's own; the last one runs it."""

    kinds: Sequence[Kind]
    prepared: Prepared

    @property
    def runs(self) -> Kind:
        """The kind that runs the operation."""
        return self.kinds[-1]


async def prepare_operation(
    preparer: Preparer, installed: Mapping[str, Kind], kind: Kind, spec: bytes, catalog: Catalog
) -> PreparedOperation:
    """Prepare an operation of a kind, or of the one that it names in its place, and so on.

    The answer has the writes of all, and the concurrency key. Raises what `prepare` raises,
    InvalidSpec for a spec that does not fit, Unavailable where a kind is at fault.
    """
    kinds: list[Kind] = []
    writes: list[CatalogWrite] = []
    while len(kinds) < _KINDS_MAX:
        kinds.append(kind)
        prepared = check_prepared(kind, await preparer.prepare(kind, spec, catalog))
        writes.extend(prepared.writes)
        if prepared.kind is None:
            key = prepared.concurrency_key or _concurrency_key(kind, spec)
            last = replace(prepared, writes=writes, concurrency_key=key)
            return PreparedOperation(kinds=kinds, prepared=last)
        if prepared.kind not in installed:
            raise Unavailable(f"kind {kind.name} names {prepared.kind!r}, which is not installed")
        kind, spec = installed[prepared.kind], prepared.plan
        decode_spec(kind, spec)
    raise Unavailable(f"kind {kinds[0].name} is handed on more than {_KINDS_MAX - 1} times")


def check_prepared(kind: Kind, prepared: Prepared) -> Prepared:
    """What `prepare` gave, if the kind may ask for it. Raises Unavailable: the kind is at fault."""
    undeclared = sorted(name for name in prepared.secrets if not _is_declared(name, kind.secrets))
    if undeclared:
        raise Unavailable(
            f"kind {kind.name} asks for secrets that it does not declare: {', '.join(undeclared)}"
        )
    both = sorted(prepared.inputs.keys() & prepared.exports.keys())
    if both:
        raise Unavailable(f"kind {kind.name} names inputs twice: {', '.join(both)}")
    return prepared


def _is_declared(name: str, declared: Sequence[str]) -> bool:
    family, slash, _ = name.partition("/")
    return name in declared or (bool(slash) and f"{family}/*" in declared)


def _concurrency_key(kind: Kind, spec: bytes) -> str | None:
    # To decode costs more than anything else here, and most kinds have the same key, or none.
    return kind.key_for(decode_spec(kind, spec) if callable(kind.concurrency_key) else None)


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
