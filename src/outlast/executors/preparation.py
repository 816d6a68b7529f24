"""The child's half of `prepare` and `partial`: runs them, and asks the worker for what it reads."""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from outlast.executors.frames import ChildEnd
from outlast.executors.messages import (
    FindResources,
    GetResource,
    PartialAsked,
    PartialMade,
    PrepareAsked,
    PrepareFailed,
    Refused,
    Reply,
    Request,
    SpecPrepared,
)
from outlast.executors.outcomes import describe, encode_write, trace
from outlast.operations import documents
from outlast.operations.errors import InvalidSpec, OutlastError, Unavailable
from outlast.operations.kind import Kind, Prepared, Resource


def answer_prepare(channel: ChildEnd, asked: PrepareAsked, kinds: Mapping[str, Kind]) -> None:
    """Run one `prepare` and send what came of it."""
    try:
        prepared = _prepare(
            kinds[asked.kind], asked.spec, ChildCatalog(channel, asked.operation_id)
        )
        channel.send(SpecPrepared(prepared=prepared))
    except OutlastError as error:
        channel.send(
            Refused(
                error=_known_class(error),
                message=error.message,
                field_errors=error.field_errors,
                details=documents.decode(documents.encode(error.details)),
            )
        )
    except Exception as error:  # noqa: BLE001  the edge of a call into a kind
        channel.send(PrepareFailed(message=describe(error), trace=trace(error)))


def answer_partial(channel: ChildEnd, asked: PartialAsked, kinds: Mapping[str, Kind]) -> None:
    """Run one `partial` and send what came of it."""
    try:
        partial = kinds[asked.kind].partial
        made = partial(documents.decode(asked.checkpoint)) if partial is not None else ()
        channel.send(PartialMade(publications=[encode_write(one) for one in made]))
    except Exception as error:  # noqa: BLE001  the edge of a call into a kind
        channel.send(PrepareFailed(message=describe(error), trace=trace(error)))


def _known_class(error: OutlastError) -> str:
    """The name of its nearest class that the worker knows, too."""
    known = (cls for cls in type(error).__mro__ if cls.__module__ == OutlastError.__module__)
    return next(known).__name__


def _prepare(kind: Kind, spec: bytes, catalog: "ChildCatalog") -> Prepared:
    try:
        decoded = msgspec.json.decode(spec, type=kind.spec)
    except msgspec.ValidationError as error:
        raise InvalidSpec(str(error)) from error
    value = decoded if kind.prepare is None else kind.prepare(decoded, catalog)
    if inspect.isawaitable(value):
        value = asyncio.run(_wait_for(value))
    prepared = value if isinstance(value, Prepared) else Prepared(plan=value)
    return msgspec.structs.replace(prepared, plan=documents.encode(prepared.plan))


async def _wait_for(value: Any) -> Any:
    return await value


class ChildCatalog:
    """The Catalog that `prepare` is given. One question at a time."""

    def __init__(self, channel: ChildEnd, operation_id: str | None = None) -> None:
        self._channel = channel
        self._operation_id = operation_id
        self._numbers = 0

    @property
    def operation_id(self) -> str | None:
        """The operation that an attempt is prepared of."""
        return self._operation_id

    async def get(self, type: str, id_or_name: str) -> Resource | None:
        """The resource with this id, else the one with this name, else None."""
        value = self._ask(lambda n: GetResource(number=n, type=type, id_or_name=id_or_name))
        return None if value is None else msgspec.convert(value, Resource)

    async def find(self, type: str, *, limit: int = 100, **fields: str) -> Sequence[Resource]:
        """Resources of a type whose indexed fields have these values, newest first."""
        value = self._ask(lambda n: FindResources(number=n, type=type, limit=limit, fields=fields))
        return msgspec.convert(value, list[Resource])

    def _ask(self, make: Callable[[int], Request]) -> Any:
        self._numbers += 1
        self._channel.send(make(self._numbers))
        reply = self._channel.receive()
        if not isinstance(reply, Reply) or reply.error is not None:
            raise Unavailable(getattr(reply, "error", None))
        return reply.value
