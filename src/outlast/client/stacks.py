"""Stacks and the modules that they are made of, for both clients. Each change is an operation."""

import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from outlast.client.answers import Operation
from outlast.client.wire import Call, Request, decoding, json_request, path, query

if TYPE_CHECKING:
    from outlast.client.asynchronous import AsyncClient
    from outlast.client.sync import Client


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """What a module wants to be told."""

    name: str
    type: str = ""
    description: str = ""
    is_required: bool = False
    is_sensitive: bool = False


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """A module that can be deployed. What is made of it is called by its word."""

    name: str
    word: str
    description: str = ""
    version: str = ""
    variables: Sequence[Variable] = ()


class ModuleList(msgspec.Struct, frozen=True, kw_only=True):
    """All modules, by name."""

    modules: Sequence[Module]


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What a module tells of what it made. What is sensitive has a value only in `outputs`."""

    value: Any = None
    is_sensitive: bool = False
    is_left_out: bool = False


class DriftedResource(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was changed by others."""

    address: str
    type: str
    change: str


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What the last check found."""

    operation_id: str
    resources: Sequence[DriftedResource] = ()


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """A stack. `status` is deploying, ready, failed or destroying.

    `operation_id` is what was asked for last.
    """

    id: str
    name: str
    word: str
    module: str
    module_version: str
    status: str
    created_at: datetime
    updated_at: datetime
    created_by: str = ""
    variables: Mapping[str, Any] = {}
    secret_names: Sequence[str] = ()
    connection: str | None = None
    resources: int = 0
    outputs: Mapping[str, Output] = {}
    drift: Drift | None = None
    operation_id: str = ""


class StackPage(msgspec.Struct, frozen=True, kw_only=True):
    """A slice of a list of stacks."""

    stacks: Sequence[Stack]
    next_page_token: str | None = None


class _Outputs(msgspec.Struct, frozen=True):
    outputs: Mapping[str, Output]


class StackWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a stack shall be made of. Variables that are not named stay; None takes one away.

    `plan_only`: nothing is changed; the result of the operation tells what would be.
    """

    variables: Mapping[str, Any] = {}
    secret_variables: Mapping[str, Any] = {}
    connection: str | None = None
    plan_only: bool = False


class Stacks:
    """The stacks of a client's tenant. A `ref` is an id or, of one `word`, a name."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def modules(self) -> Sequence[Module]:
        """What can be deployed."""
        return self._client.call(_modules()).modules

    def list(self, *, word: str | None = None, limit: int | None = None) -> Iterator[Stack]:
        """Stacks, newest first."""
        return self._client.pages(lambda token: _list_page(word, token), "stacks", limit)

    def get(self, ref: str, *, word: str | None = None) -> Stack:
        """One stack."""
        return self._client.call(_get(ref, word))

    def outputs(self, ref: str, *, word: str | None = None) -> Mapping[str, Output]:
        """All its outputs, sensitive ones too."""
        return self._client.call(_outputs(ref, word)).outputs

    def create(self, name: str, module: str, wish: StackWish = StackWish()) -> Operation:  # noqa: B008  frozen
        """The operation that deploys a module as a new stack."""
        return self._client.call(_create(name, module, wish))

    def update(self, ref: str, wish: StackWish, *, word: str | None = None) -> Operation:
        """The operation that makes a stack what is wished for."""
        return self._client.call(_update(ref, wish, word))

    def delete(self, ref: str, *, word: str | None = None) -> Operation:
        """The operation that destroys a stack."""
        return self._client.call(_delete(ref, word))

    def check_drift(self, ref: str, *, word: str | None = None) -> Operation:
        """The operation that finds what others have changed."""
        return self._client.call(_check_drift(ref, word))


class AsyncStacks:
    """The stacks of a client's tenant. A `ref` is an id or, of one `word`, a name."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    async def modules(self) -> Sequence[Module]:
        """What can be deployed."""
        return (await self._client.call(_modules())).modules

    def list(self, *, word: str | None = None, limit: int | None = None) -> AsyncIterator[Stack]:
        """Stacks, newest first."""
        return self._client.pages(lambda token: _list_page(word, token), "stacks", limit)

    async def get(self, ref: str, *, word: str | None = None) -> Stack:
        """One stack."""
        return await self._client.call(_get(ref, word))

    async def outputs(self, ref: str, *, word: str | None = None) -> Mapping[str, Output]:
        """All its outputs, sensitive ones too."""
        return (await self._client.call(_outputs(ref, word))).outputs

    async def create(self, name: str, module: str, wish: StackWish = StackWish()) -> Operation:  # noqa: B008  frozen
        """The operation that deploys a module as a new stack."""
        return await self._client.call(_create(name, module, wish))

    async def update(self, ref: str, wish: StackWish, *, word: str | None = None) -> Operation:
        """The operation that makes a stack what is wished for."""
        return await self._client.call(_update(ref, wish, word))

    async def delete(self, ref: str, *, word: str | None = None) -> Operation:
        """The operation that destroys a stack."""
        return await self._client.call(_delete(ref, word))

    async def check_drift(self, ref: str, *, word: str | None = None) -> Operation:
        """The operation that finds what others have changed."""
        return await self._client.call(_check_drift(ref, word))


def _modules() -> Call[ModuleList]:
    return Call(Request(method="GET", path=path("modules")), decoding(ModuleList))


def _list_page(word: str | None, page_token: str | None) -> Call[StackPage]:
    wanted = query(word=word, page_token=page_token)
    return Call(Request(method="GET", path=path("stacks"), query=wanted), decoding(StackPage))


def _get(ref: str, word: str | None) -> Call[Stack]:
    request = Request(method="GET", path=path("stacks", ref), query=query(word=word))
    return Call(request, decoding(Stack))


def _outputs(ref: str, word: str | None) -> Call[_Outputs]:
    request = Request(method="GET", path=path("stacks", ref, "outputs"), query=query(word=word))
    return Call(request, decoding(_Outputs))


def _create(name: str, module: str, wish: StackWish) -> Call[Operation]:
    body = {"name": name, "module": module, **msgspec.structs.asdict(wish)}
    return _changing("POST", path("stacks"), body, None)


def _update(ref: str, wish: StackWish, word: str | None) -> Call[Operation]:
    return _changing("PATCH", path("stacks", ref), msgspec.structs.asdict(wish), word)


def _delete(ref: str, word: str | None) -> Call[Operation]:
    return _changing("DELETE", path("stacks", ref), {}, word)


def _check_drift(ref: str, word: str | None) -> Call[Operation]:
    return _changing("POST", path("stacks", ref, "check-drift"), {}, word)


def _changing(method: str, where: str, body: dict[str, Any], word: str | None) -> Call[Operation]:
    # With a key of its own a call that got no answer can be made again.
    headers = {"idempotency-key": secrets.token_hex(16)}
    request = json_request(method, where, body, headers=headers, query=query(word=word))
    return Call(request, decoding(Operation))
