"""The route that has evidence evaluated."""

from collections.abc import AsyncIterator

from outlast.dialects.chainloop import encode
from outlast.dialects.chainloop.evaluations import (
    KIND,
    EvaluateEvidenceRequest,
    EvaluateEvidenceResponse,
    evaluation_spec,
    read_content,
    request_path,
)
from outlast.dialects.chainloop.ids import show_id
from outlast.engine import Wish
from outlast.engine.access import Verb
from outlast.http.parsing import parse_traceparent, read_json
from outlast.http.parts import Parts
from outlast.http.renaming import renaming
from outlast.http.routing import Answer, Call, Route
from outlast.http.submitting import IDEMPOTENCY_KEY, SUBMIT_ERRORS
from outlast.operations.documents import canonical
from outlast.resources.evidence import Evidences


class EvaluationRoutes:
    """The route of evaluations."""

    def __init__(self, parts: Parts, evidences: Evidences) -> None:
        self._engine = parts.engine
        self._evidences = evidences
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The route, documented."""
        return [
            Route(
                method="POST",
                path="/v1/agents/evaluate-evidence",
                handle=self._evaluate,
                says="Evaluate evidence",
                verb=Verb.SUBMIT,
                headers=(IDEMPOTENCY_KEY,),
                body=EvaluateEvidenceRequest,
                answers={200: EvaluateEvidenceResponse},
                errors=(*SUBMIT_ERRORS, "invalid_evidence"),
            )
        ]

    async def _evaluate(self, call: Call) -> Answer:
        limits = self._engine.limits
        request = await read_json(
            call, EvaluateEvidenceRequest, limits.body_bytes, self._body_seconds
        )
        digest = request.digest or ""
        content = read_content(request)
        if content is not None:
            evidence, _ = await self._evidences.put(
                call.principal,
                _whole(content),
                name=request.name or None,
                request_id=call.request_id,
            )
            digest = evidence.digest
        wish = Wish(
            kind=KIND,
            spec=canonical(evaluation_spec(request, digest)),
            project=request.project_id or None,
            project_version=request.project_version_id or None,
            idempotency_key=call.header(b"idempotency-key"),
            request_id=call.request_id,
            traceparent=parse_traceparent(call),
        )
        with renaming(request_path):
            created = await self._engine.submit(call.principal, wish)
        response = EvaluateEvidenceResponse(operation_id=show_id(created.operation.id))
        return Answer(body=encode(response))


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
