"""Policies: written with their tests, read, deleted. Operations hold evidence to them."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from outlast.engine.access import Verb
from outlast.http.listing import PAGE, PAGE_SIZE
from outlast.http.paging import page_position, page_token
from outlast.http.parsing import parse_integer, read_json
from outlast.http.rendering import Instant, encode, instant_or_none
from outlast.http.routing import Answer, Call, Route
from outlast.operations.errors import InvalidSpec
from outlast.resources.policies.calls import Checked
from outlast.resources.policies.format import Language, PolicyDocument, Severity
from outlast.resources.policies.library import Policies
from outlast.resources.policies.model import Policy
from outlast.settings import Limits

_BODY_ERRORS: Final = (
    *("invalid_spec", "too_large", "request_timeout", "unsupported_media_type", "unavailable"),
)


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a policy. Lists tell of the newest, and leave out the document."""

    name: str
    version: int
    is_builtin: bool
    language: Language
    description: str
    applies_to: Sequence[str]
    severity: Severity
    digest: str
    created_at: Instant | None
    created_by: str | None
    document: PolicyDocument | None = None


class PoliciesView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of policies, by name, or of versions, newest first."""

    policies: Sequence[PolicyView]
    next_page_token: str | None


class PolicyErrorView(msgspec.Struct, frozen=True, kw_only=True):
    """Why a text of a policy is none, and where; `rule` names an expression of CEL."""

    message: str
    line: int
    column: int
    rule: str | None


class TestedView(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a policy's own tests: an error in a text, or what failed by its name."""

    is_passed: bool
    error: PolicyErrorView | None
    failures: Mapping[str, str]


class PolicyRoutes:
    """The routes of /v1/policies."""

    def __init__(self, policies: Policies, limits: Limits, body_seconds: float) -> None:
        self._policies = policies
        self._limits = limits
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._reading(), *self._writing()]

    def _reading(self) -> list[Route]:
        one = "/v1/policies/{policy}"
        return [
            Route(
                method="GET",
                path="/v1/policies",
                handle=self._list,
                says="Policies by name, also built-in ones, in their newest versions",
                verb=Verb.READ,
                query=PAGE,
                answers={200: PoliciesView},
                errors=("invalid_page_token",),
            ),
            Route(
                method="GET",
                path=one,
                handle=self._get,
                says="A policy, by NAME or NAME@VERSION",
                verb=Verb.READ,
                answers={200: PolicyView},
                errors=("not_found", "invalid_spec"),
            ),
            Route(
                method="GET",
                path=one + "/versions",
                handle=self._versions,
                says="The versions of a policy, newest first",
                verb=Verb.READ,
                query=PAGE,
                answers={200: PoliciesView},
                errors=("not_found", "invalid_spec", "invalid_page_token"),
            ),
        ]

    def _writing(self) -> list[Route]:
        one = "/v1/policies/{policy}"
        return [
            Route(
                method="PUT",
                path=one,
                handle=self._put,
                says="Write a policy as a new version; 200 with the newest, if it says the same",
                verb=Verb.SUBMIT,
                body=PolicyDocument,
                answers={200: PolicyView, 201: PolicyView},
                errors=(*_BODY_ERRORS, "resource_exists", "revision_mismatch", "store_full"),
            ),
            Route(
                method="POST",
                path="/v1/policies:test",
                handle=self._test,
                says="Run the tests of a policy; nothing is kept",
                verb=Verb.SUBMIT,
                body=PolicyDocument,
                answers={200: TestedView},
                errors=_BODY_ERRORS,
            ),
            Route(
                method="DELETE",
                path=one,
                handle=self._delete,
                says="Delete a policy with its versions",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("not_found", "conflict", "store_full"),
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._limits.page_size)
        token = call.one("page_token")
        bound_to = ["policies", call.principal.tenant]
        found = await self._policies.find(
            call.principal,
            after=None if token is None else page_position(token, bound_to),
            limit=limit + 1,
        )
        page = found[:limit]
        next_token = page_token(page[-1].name, bound_to) if len(found) > limit else None
        return _page(page, next_token)

    async def _get(self, call: Call) -> Answer:
        found = await self._policies.get(call.principal, call.params["policy"])
        return Answer(body=encode(_view(found)))

    async def _versions(self, call: Call) -> Answer:
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._limits.page_size)
        name, token = call.params["policy"], call.one("page_token")
        bound_to = ["policy_versions", call.principal.tenant, name]
        found = await self._policies.versions(
            call.principal,
            name,
            before_id=None if token is None else page_position(token, bound_to),
            limit=limit + 1,
        )
        page = found[:limit]
        next_token = page_token(page[-1][0], bound_to) if len(found) > limit else None
        return _page([policy for _, policy in page], next_token)

    async def _put(self, call: Call) -> Answer:
        document = await self._read(call)
        if document.name != call.params["policy"]:
            raise InvalidSpec(
                "the policy has another name than its path",
                field_errors={"name": "must be the one in the path"},
            )
        policy, is_new = await self._policies.put(
            call.principal, document, request_id=call.request_id
        )
        return Answer(
            status=201 if is_new else 200,
            body=encode(_view(policy)),
            headers=[(b"location", f"/v1/policies/{policy.name}@{policy.version}".encode())],
        )

    async def _test(self, call: Call) -> Answer:
        tested = await self._policies.test(call.principal, await self._read(call))
        return Answer(body=encode(_tested(tested)))

    async def _delete(self, call: Call) -> Answer:
        name = call.params["policy"]
        await self._policies.delete(call.principal, name, request_id=call.request_id)
        return Answer(status=204)

    async def _read(self, call: Call) -> PolicyDocument:
        return await read_json(call, PolicyDocument, self._limits.body_bytes, self._body_seconds)


def _page(policies: Sequence[Policy], next_token: str | None) -> Answer:
    views = [_view(one) for one in policies]
    return Answer(body=encode(PoliciesView(policies=views, next_page_token=next_token)))


def _view(policy: Policy) -> PolicyView:
    fields = msgspec.structs.asdict(policy)
    return PolicyView(**fields | {"created_at": instant_or_none(policy.created_at)})


def _tested(checked: Checked) -> TestedView:
    error = checked.error
    return TestedView(
        is_passed=error is None and not checked.failures,
        error=None
        if error is None
        else PolicyErrorView(
            message=error.message, line=error.line or 1, column=error.column or 1, rule=error.rule
        ),
        failures=checked.failures,
    )
