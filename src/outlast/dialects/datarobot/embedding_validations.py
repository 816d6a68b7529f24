"""Validations of endpoints that embed, on the wire."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from outlast.dialects.datarobot.instants import Instant

PROVIDER: Final = "openai_embeddings"
"""The provider that the connection behind a validation names."""

ValidationStatus = Literal["TESTING", "PASSED", "FAILED"]
STATUSES: Final[Mapping[str, ValidationStatus]] = {
    "validating": "TESTING",
    "ready": "PASSED",
    "failed": "FAILED",
}


class CreateValidationRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An endpoint to validate."""

    name: str
    model: str
    base_url: str
    use_case_id: str
    credential_id: str | None = None
    extra_body_params: Sequence[Any] | None = None


class EditValidationRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What to change of an endpoint, which is then validated again."""

    name: str | None = None
    model: str | None = None
    base_url: str | None = None
    credential_id: str | None = None
    extra_body_params: Sequence[Any] | None = None


class ValidationResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An endpoint, and whether it embeds."""

    id: str
    name: str
    validation_status: ValidationStatus
    model: str
    base_url: str
    credential_id: str | None
    tenant_id: str
    user_id: str
    user_name: str
    creation_date: Instant
    use_case_id: str | None
    error_message: str | None
    extra_body_params: None = None
    dimensions: int | None = None
    latency_ms: int | None = None
