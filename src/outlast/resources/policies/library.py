"""What callers do with policies: write, find, read, delete. Operations evaluate them.

Who may submit may write policies. A new version of one that another member made, and deleting it,
are for operators. A policy is kept only when its own tests pass.
"""

import importlib.util
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.executors.calls import CallFailed
from outlast.operations import ids
from outlast.operations.errors import (
    Conflict,
    InvalidSpec,
    ResourceExists,
    RevisionMismatch,
    TooLarge,
    Unavailable,
)
from outlast.operations.kind import CatalogWrite, Resource
from outlast.resources.configured import BUILTIN_POLICY
from outlast.resources.datasets.locked_calls import Sandbox
from outlast.resources.evidence.model import TYPES
from outlast.resources.policies import calls, model
from outlast.resources.policies.calls import CheckArguments, Checked
from outlast.resources.policies.format import PolicyDocument, check_policy
from outlast.resources.policies.model import Policy, PolicyVersion
from outlast.resources.walking import walk_resources
from outlast.store.port import AuditEntry, Store

PAGE_MAX: Final = 1000
POLICIES_MAX: Final = 1000
NOT_INSTALLED: Final = "policies need the extra `policy`: pip install 'outlast[policy]'"
_CHECK_SECONDS_MAX: Final = 60.0
_TEST_SECONDS: Final = 5.0
_FAILURES_SHOWN: Final = 10
_VERSIONS_HELD: Final = 20
"""Read at once: there may be a thousand, of 256 KiB each."""


class Policies:
    """The policies of all tenants; every call is scoped by its principal.

    A `ref` is a name, which means the newest version, or NAME@3. What is not the principal's is
    NotFound. Built-in policies are everybody's to read.
    """

    def __init__(self, store: Store, sandbox: Sandbox) -> None:
        self._catalog = store.catalog
        self._now = store.operations.now
        self._sandbox = sandbox

    async def put(
        self,
        principal: Principal,
        document: PolicyDocument,
        *,
        request_id: str | None = None,
    ) -> tuple[Policy, bool]:
        """Keep a policy as a new version; and whether it is one: the newest may say the same.

        Raises InvalidSpec for what is wrong with it, and for tests that fail; Forbidden,
        ResourceExists for the name of a built-in one, Unavailable.
        """
        principal.require(Verb.SUBMIT)
        document = msgspec.structs.replace(document, version=None)
        _check_form(document)
        head = await self._writable(principal, document.name)
        newest = None if head is None else await self._newest(head)
        if newest is not None and model.version_of(newest).digest == model.digest_of(document):
            return model.as_policy(newest), False
        await self._check(document)
        kept = PolicyVersion(
            document=document,
            version=1 if head is None else model.head_of(head).version + 1,
            digest=model.digest_of(document),
            created_by=principal.member,
        )
        fresh = [ids.make_id(self._now(), ids.random_bits()) for _ in range(2)]
        writes = model.write_policy((fresh[0], fresh[1]), kept, head)
        audit = _audit(principal, "policy.put", f"{document.name}@{kept.version}", request_id)
        try:
            _, written = await self._catalog.write(principal.tenant, writes, audit)
        except (ResourceExists, RevisionMismatch) as error:
            message = f"the policy {document.name!r} has just been written by somebody else"
            raise RevisionMismatch(message) from error
        return model.as_policy(written), True

    async def test(self, principal: Principal, document: PolicyDocument) -> Checked:
        """What would be wrong with a policy: nothing is kept. Raises InvalidSpec, Unavailable."""
        principal.require(Verb.SUBMIT)
        _check_form(document)
        return await self._call(document)

    async def get(self, principal: Principal, ref: str) -> Policy:
        """One version of a policy, with its document. Raises NotFound, InvalidSpec."""
        principal.require(Verb.READ)
        wanted = model.read_ref(ref)
        catalog = TenantCatalog(self._catalog, principal.tenant)
        head = await catalog.get(model.POLICY, wanted.name)
        if head is None:
            builtin = await catalog.get(BUILTIN_POLICY, wanted.name)
            found = None if builtin is None else model.as_builtin(model.found_builtin(builtin))
            if found is None or wanted.version not in {None, found.version}:
                raise model.no_policy(ref)
            return found
        version = wanted.version or model.head_of(head).version
        kept = await catalog.get(model.POLICY_VERSION, f"{wanted.name}@{version}")
        if kept is None:
            raise model.no_policy(ref)
        return model.as_policy(kept)

    async def find(
        self, principal: Principal, *, after: str | None = None, limit: int = 50
    ) -> list[Policy]:
        """At most `limit` (1 to 1,000) policies by name, from behind `after`, without documents."""
        principal.require(Verb.READ)
        if not 1 <= limit <= PAGE_MAX:
            raise InvalidSpec(f"limit must be from 1 to {PAGE_MAX}")
        own = [model.as_policy(one) for one in await self._all(principal.tenant)]
        names = {one.name for one in own}
        builtin = await self._catalog.find(principal.tenant, BUILTIN_POLICY, limit=PAGE_MAX)
        own += [_listed(model.as_builtin(model.found_builtin(one))) for one in builtin]
        shown = [one for one in own if not one.is_builtin or one.name not in names]
        behind = [one for one in shown if after is None or one.name > after]
        return sorted(behind, key=lambda one: one.name)[:limit]

    async def versions(
        self,
        principal: Principal,
        name: str,
        *,
        before_id: str | None = None,
        limit: int = 50,
    ) -> list[tuple[str, Policy]]:
        """At most `limit` versions of a policy with ids below `before_id`, newest first.

        Each with its id, without its document. Raises NotFound.
        """
        newest = await self.get(principal, model.read_ref(name).name)
        if newest.is_builtin:
            return [] if before_id else [(newest.name, _listed(newest))]
        found: list[tuple[str, Policy]] = []
        async for one in self._versions(principal.tenant, newest.name, before_id):
            found.append((one.id, _listed(model.as_policy(one))))
            if len(found) == limit:
                break
        return found

    async def delete(
        self, principal: Principal, name: str, *, request_id: str | None = None
    ) -> None:
        """Delete a policy with all of its versions. Raises NotFound, Forbidden, Conflict."""
        principal.require(Verb.SUBMIT)
        catalog = TenantCatalog(self._catalog, principal.tenant)
        head = await catalog.get(model.POLICY, name)
        if head is None or head.name != name:
            if await catalog.get(BUILTIN_POLICY, name) is not None:
                raise Conflict(f"the policy {name!r} is a built-in one: it stays")
            raise model.no_policy(name)
        principal.require_over(model.head_of(head).created_by)
        writes = [CatalogWrite(type=model.POLICY, id=head.id, expected_revision=head.revision)]
        writes += [
            CatalogWrite(type=model.POLICY_VERSION, id=one.id)
            async for one in self._versions(principal.tenant, name)
        ]
        audit = _audit(principal, "policy.delete", name, request_id)
        await self._catalog.write(principal.tenant, writes, audit)

    async def _writable(self, principal: Principal, name: str) -> Resource | None:
        """The policy of this name, if there is one, that the principal may write."""
        tenant = principal.tenant
        head = await self._catalog.read(tenant, model.POLICY, name)
        if head is not None:
            principal.require_over(model.head_of(head).created_by)
            if model.head_of(head).version >= model.VERSIONS_MAX:
                raise TooLarge(f"a policy has at most {model.VERSIONS_MAX} versions")
            return head
        if await self._catalog.read(tenant, BUILTIN_POLICY, name) is not None:
            raise ResourceExists(
                f"the policy {name!r} is a built-in one", field_errors={"name": "is taken"}
            )
        count = await self._catalog.count(tenant, model.POLICY, limit=POLICIES_MAX)
        if count >= POLICIES_MAX:
            raise TooLarge(f"a tenant has at most {POLICIES_MAX} policies")
        return None

    async def _all(self, tenant: str) -> Sequence[Resource]:
        return await self._catalog.find(tenant, model.POLICY, limit=POLICIES_MAX)

    def _versions(
        self, tenant: str, name: str, before_id: str | None = None
    ) -> AsyncIterator[Resource]:
        """The versions of a policy below an id, newest first."""
        return walk_resources(
            self._catalog,
            tenant,
            model.POLICY_VERSION,
            fields={"policy": name},
            before_id=before_id,
            held=_VERSIONS_HELD,
        )

    async def _newest(self, head: Resource) -> Resource | None:
        name = f"{head.name}@{model.head_of(head).version}"
        return await self._catalog.read(head.tenant, model.POLICY_VERSION, name)

    async def _check(self, document: PolicyDocument) -> None:
        """Raise InvalidSpec for a policy whose texts are wrong, or whose tests fail."""
        checked = await self._call(document)
        error = checked.error
        if error is not None:
            field = error.rule or ("source" if document.language == "rego" else "rules")
            at = f"line {error.line}, column {error.column}"
            raise InvalidSpec(
                f"{field}: {at}: {error.message}",
                field_errors={field: f"{at}: {error.message}"},
                details={"line": error.line, "column": error.column},
            )
        if checked.failures:
            shown = dict(list(checked.failures.items())[:_FAILURES_SHOWN])
            first, came = next(iter(shown.items()))
            raise InvalidSpec(
                f"{len(checked.failures)} of {len(document.tests)} tests fail: {first}: {came}",
                field_errors=shown,
            )

    async def _call(self, document: PolicyDocument) -> Checked:
        if not is_installed():
            raise Unavailable(NOT_INSTALLED)
        try:
            async with self._sandbox(
                calls.CHECK,
                msgspec.json.encode(CheckArguments(policy=document, seconds=_TEST_SECONDS)),
                inputs={},
                timeout_seconds=_CHECK_SECONDS_MAX,
                memory_bytes=None,
                preload=(),
            ) as called:
                return msgspec.convert(called.answer, Checked)
        except CallFailed as error:
            if error.failure.code in {"out_of_memory", "call_timed_out", "crashed"}:
                message = f"the tests of the policy cannot be run: {error.message}"
                raise InvalidSpec(message, field_errors={"tests": error.message}) from error
            raise
        except msgspec.ValidationError as error:
            raise Unavailable("the test gave no answer that makes sense") from error


def _check_form(document: PolicyDocument) -> None:
    check_policy(document)
    unknown = [one for one in document.applies_to if one not in TYPES]
    if unknown:
        # It would let everything pass, as skipped.
        message = f"{unknown[0]!r} is no type of evidence: they are {', '.join(TYPES)}"
        raise InvalidSpec(f"applies_to: {message}", field_errors={"applies_to": message})


def _listed(policy: Policy) -> Policy:
    return msgspec.structs.replace(policy, document=None)


def is_installed() -> bool:
    """Whether the engines are here."""
    return all(importlib.util.find_spec(one) is not None for one in ("cel", "regopy", "yaml"))


def _audit(principal: Principal, action: str, target: str, request_id: str | None) -> AuditEntry:
    return AuditEntry(actor=principal.member, action=action, target=target, request_id=request_id)
