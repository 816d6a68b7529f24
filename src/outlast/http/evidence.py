"""Evidence: brought as it is, looked at, kept under its digest."""

from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.engine.access import Verb
from outlast.http.errors import UnsupportedMediaType
from outlast.http.files import OCTETS
from outlast.http.listing import PAGE, PAGE_SIZE
from outlast.http.paging import page_position, page_token
from outlast.http.parsing import check_encoding, parse_integer, upload_chunks
from outlast.http.rendering import Instant, encode, instant
from outlast.http.routing import Answer, Call, Parameter, Route
from outlast.http.streaming import begin
from outlast.resources.evidence import TYPES, Evidence, EvidenceProblem, Evidences
from outlast.settings import Limits

_PUT_ERRORS: Final = (
    *("invalid_spec", "invalid_evidence", "too_large", "unsupported_media_type"),
    *("request_timeout", "store_full"),
)


class EvidenceView(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence. Of what its format does not allow, the first 20 are told.

    `wrappers` are what was opened to come to the document, outermost first.
    """

    id: str
    digest: str
    name: str | None
    type: str
    version: str | None
    wrappers: Sequence[str]
    bytes: int
    problems: Sequence[EvidenceProblem]
    problems_total: int
    created_at: Instant
    created_by: str


class EvidencesView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of evidence, newest first."""

    evidence: Sequence[EvidenceView]
    next_page_token: str | None


class EvidenceRoutes:
    """The routes of /v1/evidence."""

    def __init__(self, evidences: Evidences, limits: Limits, body_seconds: float) -> None:
        self._evidences = evidences
        self._limits = limits
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [self._putting(), *self._of_evidence()]

    def _putting(self) -> Route:
        says = "What it is called; a file's name helps to tell YAML."
        return Route(
            method="POST",
            path="/v1/evidence",
            handle=self._put,
            says="Bring evidence; 200 with what is there, if it was brought before",
            verb=Verb.SUBMIT,
            query=(Parameter(name="name", schema={"type": "string"}, says=says),),
            body=bytes,
            body_media=(OCTETS,),
            answers={200: EvidenceView, 201: EvidenceView},
            errors=_PUT_ERRORS,
        )

    def _of_evidence(self) -> list[Route]:
        one = "/v1/evidence/{evidence}"
        types = {"type": "string", "enum": list(TYPES)}
        return [
            Route(
                method="GET",
                path="/v1/evidence",
                handle=self._list,
                says="Evidence, newest first",
                verb=Verb.READ,
                query=(Parameter(name="type", schema=types, says="Only of this type."), *PAGE),
                answers={200: EvidencesView},
                errors=("invalid_page_token", "invalid_spec"),
            ),
            Route(
                method="GET",
                path=one,
                handle=self._get,
                says="Evidence, by its id or digest",
                verb=Verb.READ,
                answers={200: EvidenceView},
                errors=("not_found",),
            ),
            Route(
                method="DELETE",
                path=one,
                handle=self._delete,
                says="Delete evidence",
                verb=Verb.SUBMIT,
                answers={204: None},
                errors=("not_found", "store_full"),
            ),
            Route(
                method="GET",
                path=one + "/content",
                handle=self._content,
                says="The bytes of evidence",
                verb=Verb.READ,
                answers={200: bytes},
                answer_media=(OCTETS,),
                errors=("not_found",),
            ),
        ]

    async def _put(self, call: Call) -> Answer:
        media = (call.header(b"content-type") or "").partition(";")[0].strip().lower()
        if media != OCTETS:
            raise UnsupportedMediaType(f"send evidence as {OCTETS}")
        check_encoding(call)
        evidence, is_new = await self._evidences.put(
            call.principal,
            upload_chunks(call, self._limits.evidence_bytes, self._body_seconds),
            name=call.one("name"),
            request_id=call.request_id,
        )
        return Answer(
            status=201 if is_new else 200,
            body=encode(view(evidence)),
            headers=[(b"location", f"/v1/evidence/{evidence.id}".encode())],
        )

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "page_size", PAGE_SIZE, 1, self._limits.page_size)
        type_, token = call.one("type"), call.one("page_token")
        bound_to = ["evidence", call.principal.tenant, type_]
        found = await self._evidences.find(
            call.principal,
            type_=type_,
            before_id=None if token is None else page_position(token, bound_to),
            limit=limit + 1,
        )
        page = found[:limit]
        next_token = page_token(page[-1].id, bound_to) if len(found) > limit else None
        listed = EvidencesView(evidence=[view(one) for one in page], next_page_token=next_token)
        return Answer(body=encode(listed))

    async def _get(self, call: Call) -> Answer:
        found = await self._evidences.get(call.principal, call.params["evidence"])
        return Answer(body=encode(view(found)))

    async def _delete(self, call: Call) -> Answer:
        ref = call.params["evidence"]
        await self._evidences.delete(call.principal, ref, request_id=call.request_id)
        return Answer(status=204)

    async def _content(self, call: Call) -> Answer:
        found = await self._evidences.get(call.principal, call.params["evidence"])
        return Answer(
            media=OCTETS.encode(),
            headers=[(b"content-length", b"%d" % found.bytes)],
            # Begun here: what cannot be read is an error, not a broken file.
            stream=await begin(self._evidences.read(call.principal, found.id)),
        )


def view(evidence: Evidence) -> EvidenceView:
    """Evidence as an answer tells of it."""
    return EvidenceView(
        id=evidence.id,
        digest=evidence.digest,
        name=evidence.name,
        type=evidence.seen.type,
        version=evidence.seen.version,
        wrappers=evidence.seen.wrappers,
        bytes=evidence.bytes,
        problems=evidence.seen.problems,
        problems_total=evidence.seen.problems_total,
        created_at=instant(evidence.created_at),
        created_by=evidence.created_by,
    )
