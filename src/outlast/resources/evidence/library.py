"""What callers do with evidence: bring it, find it, read it, delete it.

Who may submit may bring it. Deleting what another member brought is for operators.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.engine.preparing import TenantCatalog
from outlast.executors.calls import CallFailed
from outlast.operations import ids
from outlast.operations.errors import (
    InvalidEvidence,
    InvalidSpec,
    NotFound,
    ResourceExists,
    RevisionMismatch,
    Unavailable,
)
from outlast.operations.kind import CatalogWrite, Resource
from outlast.resources.datasets.locked_calls import Sandbox
from outlast.resources.evidence import calls, model
from outlast.resources.evidence.model import Evidence, EvidenceDocument, Seen
from outlast.resources.objects import ObjectStore
from outlast.resources.spooling import Spooled, spooled
from outlast.store.port import AuditEntry, Store

PAGE_MAX: Final = 1000
_LOOK_SECONDS: Final = 120.0


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    seen: Seen | None = None
    message: str = ""
    details: dict[str, Any] = {}


class Evidences:
    """The evidence of all tenants; every call is scoped by its principal.

    A `ref` is an id in any of its forms, or a digest `sha256:HEX`. What is not the principal's is
    NotFound.
    """

    def __init__(
        self,
        store: Store,
        objects: ObjectStore,
        sandbox: Sandbox,
        *,
        spool: Path,
        bytes_max: int,
    ) -> None:
        self._catalog = store.catalog
        self._now = store.operations.now
        self._objects = objects
        self._sandbox = sandbox
        self._spool = spool
        self._bytes_max = bytes_max

    async def put(
        self,
        principal: Principal,
        chunks: AsyncIterator[bytes],
        *,
        name: str | None = None,
        request_id: str | None = None,
    ) -> tuple[Evidence, bool]:
        """Keep evidence; and whether it is new. What the tenant has already stays as it is.

        Durable on return. Raises InvalidSpec, InvalidEvidence, TooLarge, StoreFull, Unavailable.
        """
        principal.require(Verb.SUBMIT)
        model.check_name(name)
        if not calls.is_installed():
            raise Unavailable(calls.NOT_INSTALLED)
        async with spooled(self._spool, chunks, self._bytes_max) as upload:
            digest = await asyncio.to_thread(_digest, upload.path)
            known = await self._catalog.read(principal.tenant, model.EVIDENCE, digest)
            if known is not None:
                return model.as_evidence(known), False
            id = ids.make_id(self._now(), ids.random_bits())
            document = EvidenceDocument(
                digest=digest,
                key=model.new_key(principal.tenant, id),
                bytes=upload.bytes,
                name=name,
                created_by=principal.member,
                seen=await self._look(upload, name),
            )
            await self._objects.put_file(document.key, upload.path, move=True)
        audit = _audit(principal, "evidence.put", id, request_id)
        return await self._keep(principal.tenant, id, document, audit)

    async def find(
        self,
        principal: Principal,
        *,
        type_: str | None = None,
        before_id: str | None = None,
        limit: int = 50,
    ) -> list[Evidence]:
        """At most `limit` (1 to 1,000), newest first, with ids below `before_id`.

        With `type_`: only evidence of it.
        """
        principal.require(Verb.READ)
        if not 1 <= limit <= PAGE_MAX:
            raise InvalidSpec(f"limit must be from 1 to {PAGE_MAX}")
        if type_ is not None:
            model.check_type(type_)
        found = await self._catalog.find(
            principal.tenant,
            model.EVIDENCE,
            fields={} if type_ is None else {"type": type_},
            before_id=before_id,
            limit=limit,
        )
        return [model.as_evidence(one) for one in found]

    async def get(self, principal: Principal, ref: str) -> Evidence:
        """One piece of evidence. Raises NotFound."""
        return model.as_evidence(await self._find(principal, ref))

    async def read(self, principal: Principal, ref: str) -> AsyncIterator[bytes]:
        """The bytes of evidence, chunk by chunk. Raises NotFound before the first."""
        document = model.evidence_document(await self._find(principal, ref))
        async for chunk in self._objects.read(document.key):
            yield chunk

    async def delete(
        self, principal: Principal, ref: str, *, request_id: str | None = None
    ) -> None:
        """Delete evidence. Raises NotFound, Forbidden."""
        principal.require(Verb.SUBMIT)
        found = await self._find(principal, ref)
        document = model.evidence_document(found)
        principal.require_over(document.created_by)
        audit = _audit(principal, "evidence.delete", found.id, request_id)
        write = CatalogWrite(type=model.EVIDENCE, id=found.id, expected_revision=found.revision)
        try:
            await self._catalog.write(principal.tenant, [write], audit)
        except RevisionMismatch:
            raise model.no_evidence(ref) from None
        # What is left of it when this fails is garbage, and collected.
        await self._objects.delete(document.key)

    async def _find(self, principal: Principal, ref: str) -> Resource:
        principal.require(Verb.READ)
        return await model.find_evidence(TenantCatalog(self._catalog, principal.tenant), ref)

    async def _look(self, upload: Spooled, name: str | None) -> Seen:
        """What a locked child sees in it. Raises InvalidEvidence, Unavailable."""
        try:
            async with self._sandbox(
                calls.LOOK,
                msgspec.json.encode(calls.LookArguments(name=name)),
                inputs={calls.CONTENT: upload.path},
                timeout_seconds=_LOOK_SECONDS,
                memory_bytes=calls.MEMORY_BYTES,
                preload=(),
            ) as called:
                answer = msgspec.convert(called.answer, _Answer)
        except CallFailed as error:
            if error.failure.code in {"out_of_memory", "call_timed_out", "crashed"}:
                message = f"the evidence cannot be read: {error.message}"
                raise InvalidEvidence(message) from error
            raise
        except msgspec.ValidationError as error:
            raise Unavailable("the reader gave no answer that makes sense") from error
        if answer.seen is None:
            raise InvalidEvidence(answer.message, details=answer.details)
        return answer.seen

    async def _keep(
        self, tenant: str, id: str, document: EvidenceDocument, audit: AuditEntry
    ) -> tuple[Evidence, bool]:
        try:
            [kept] = await self._catalog.write(tenant, [model.write_evidence(id, document)], audit)
        except ResourceExists:
            # Somebody else brought the same bytes meanwhile.
            await self._objects.delete(document.key)
            known = await self._catalog.read(tenant, model.EVIDENCE, document.digest)
            if known is None:
                raise NotFound("the same evidence was just deleted: bring it again") from None
            return model.as_evidence(known), False
        return model.as_evidence(kept), True


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _audit(principal: Principal, action: str, id: str, request_id: str | None) -> AuditEntry:
    return AuditEntry(actor=principal.member, action=action, target=id, request_id=request_id)
