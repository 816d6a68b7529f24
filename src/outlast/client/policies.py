"""Policies, for both clients. To hold evidence to them, submit `evidence_evaluation`."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from outlast.client.wire import Call, Request, decoding, json_request, nothing, path, query

if TYPE_CHECKING:
    from outlast.client.asynchronous import AsyncClient
    from outlast.client.sync import Client

_TEST_SECONDS: Final = 90


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a policy. Lists tell of the newest, without its document."""

    name: str
    version: int
    language: str
    digest: str
    is_builtin: bool = False
    description: str = ""
    applies_to: Sequence[str] = ()
    severity: str = "medium"
    created_at: datetime | None = None
    created_by: str | None = None
    document: dict[str, Any] | None = None


class PolicyPage(msgspec.Struct, frozen=True, kw_only=True):
    """A slice of a list of policies."""

    policies: Sequence[Policy]
    next_page_token: str | None = None


class PolicyError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a text of a policy is none; `rule` names the expression of CEL that it is about."""

    message: str
    line: int
    column: int
    rule: str | None = None


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a policy's own tests: what failed, by their names."""

    is_passed: bool
    error: PolicyError | None = None
    failures: dict[str, str] = {}


class Policies:
    """The policies of a client's tenant, and built-in ones. A `ref` is NAME or NAME@VERSION."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def put(self, document: Mapping[str, Any]) -> Policy:
        """Write a policy: a new version, unless the newest says the same."""
        return self._client.call(_put(document))

    def test(self, document: Mapping[str, Any]) -> Tested:
        """Run the tests of a policy; nothing is kept."""
        return self._client.call(_test(document))

    def list(self, *, limit: int | None = None) -> Iterator[Policy]:
        """Policies by name, in their newest versions."""
        return self._client.pages(_list_page, "policies", limit)

    def get(self, ref: str) -> Policy:
        """One policy, with its document."""
        return self._client.call(_get(ref))

    def versions(self, name: str, *, limit: int | None = None) -> Iterator[Policy]:
        """The versions of a policy, newest first."""
        return self._client.pages(lambda token: _versions_page(name, token), "policies", limit)

    def delete(self, name: str) -> None:
        """Delete a policy with its versions."""
        self._client.call(_delete(name))


class AsyncPolicies:
    """The policies of a client's tenant, and built-in ones. A `ref` is NAME or NAME@VERSION."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    async def put(self, document: Mapping[str, Any]) -> Policy:
        """Write a policy: a new version, unless the newest says the same."""
        return await self._client.call(_put(document))

    async def test(self, document: Mapping[str, Any]) -> Tested:
        """Run the tests of a policy; nothing is kept."""
        return await self._client.call(_test(document))

    def list(self, *, limit: int | None = None) -> AsyncIterator[Policy]:
        """Policies by name, in their newest versions."""
        return self._client.pages(_list_page, "policies", limit)

    async def get(self, ref: str) -> Policy:
        """One policy, with its document."""
        return await self._client.call(_get(ref))

    def versions(self, name: str, *, limit: int | None = None) -> AsyncIterator[Policy]:
        """The versions of a policy, newest first."""
        return self._client.pages(lambda token: _versions_page(name, token), "policies", limit)

    async def delete(self, name: str) -> None:
        """Delete a policy with its versions."""
        await self._client.call(_delete(name))


def _put(document: Mapping[str, Any]) -> Call[Policy]:
    where = path("policies", str(document.get("name", "")))
    # Its tests are run before it is kept.
    request = json_request("PUT", where, document, repeatable=True, read_seconds=_TEST_SECONDS)
    return Call(request, decoding(Policy))


def _test(document: Mapping[str, Any]) -> Call[Tested]:
    where = path("policies") + ":test"
    request = json_request("POST", where, document, repeatable=True, read_seconds=_TEST_SECONDS)
    return Call(request, decoding(Tested))


def _list_page(page_token: str | None) -> Call[PolicyPage]:
    request = Request(method="GET", path=path("policies"), query=query(page_token=page_token))
    return Call(request, decoding(PolicyPage))


def _versions_page(name: str, page_token: str | None) -> Call[PolicyPage]:
    where = path("policies", name, "versions")
    request = Request(method="GET", path=where, query=query(page_token=page_token))
    return Call(request, decoding(PolicyPage))


def _get(ref: str) -> Call[Policy]:
    return Call(Request(method="GET", path=path("policies", ref)), decoding(Policy))


def _delete(name: str) -> Call[None]:
    return Call(Request(method="DELETE", path=path("policies", name)), nothing)
