"""Asking for an evaluation of evidence: what the request says, and in whose words."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec

from outlast.operations.errors import Invalid

KIND: Final = "evidence_evaluation"

Content = Annotated[
    str, msgspec.Meta(extra_json_schema={"contentEncoding": "base64", "examples": ["e30="]})
]


class EvaluateEvidenceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence, by its digest or as its content, and the policies to apply: NAME or NAME@VERSION.

    Content is base64, or text that cannot be base64. Without policies all that are built in and
    apply are. In proto3 JSON, null is as good as nothing.
    """

    digest: str | None = None
    content: Content | None = None
    name: str | None = None
    policies: Sequence[str] | None = None
    project_id: str | None = None
    project_version_id: str | None = None


class EvaluateEvidenceResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The operation to poll."""

    operation_id: str


def read_content(request: EvaluateEvidenceRequest) -> bytes | None:
    """The evidence that came with the request, or None if it is named by a digest.

    Raises Invalid unless it is one of both.
    """
    if bool(request.digest) == bool(request.content):
        raise Invalid(
            "give either the digest of evidence or its content",
            field_errors={"digest": "and content exclude each other, and one is needed"},
        )
    return _decode(request.content) if request.content else None


def evaluation_spec(request: EvaluateEvidenceRequest, digest: str) -> dict[str, Any]:
    """The spec of the operation."""
    policies = {"policies": list(request.policies)} if request.policies else {}
    return {"evidence": digest, **policies}


def request_path(path: str) -> str:
    """What a field of the operation is called in the request."""
    return _FIRST_STEP.sub(lambda step: _NAMES.get(step[0], step[0]), path, count=1)


def _decode(text: str) -> bytes:
    """The bytes of base64 of either alphabet, as proto3 JSON has them, else of the text.

    Parsers of it pass over line breaks, which many programs put into base64.
    """
    joined = text.translate(_STANDARD)
    if _BASE64.fullmatch(joined):
        try:
            return base64.b64decode(joined + "=" * (-len(joined) % 4))
        except binascii.Error:
            pass  # A length that base64 never has: it is text.
    return text.encode()


_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_STANDARD: Final = str.maketrans("-_", "+/", "\r\n")
_FIRST_STEP: Final = re.compile(r"\w+")
_NAMES: Final = {
    "evidence": "digest",
    "project": "project_id",
    "project_version": "project_version_id",
}
