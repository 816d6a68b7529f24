"""A face is how a door treats its callers: whom it lets in, and how it says no."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from outlast.dialects.port import Dialect, FieldFault, Place, Refusal, Reply
from outlast.http.errors import (
    Problem,
    error_headers,
    known_error,
    problem_answer,
    retry_after_of,
    status_of,
)
from outlast.http.routing import Answer, Route, Table
from outlast.operations.errors import OutlastError


class Face(Protocol):
    """How one wire format meets a request that names no operation yet."""

    @property
    def schemes(self) -> frozenset[bytes]:
        """The words before a token in the Authorization header, in lower case."""

    @property
    def tenant_header(self) -> str | None:
        """The header that names a tenant, beside our own; None: there is no other."""

    @property
    def is_strict(self) -> bool:
        """Whether a query parameter that no route has is refused, rather than ignored."""

    @property
    def shows_codes(self) -> bool:
        """Whether a refusal's body has the code of the error."""

    @property
    def refusal_media(self) -> str:
        """The media type of refusals."""

    def refuse(
        self,
        error: OutlastError,
        request_id: str,
        route: Route | None,
        params: Mapping[str, str],
    ) -> Answer:
        """The answer to a request that was not done. Without a route: to an unknown path."""

    def statuses(self, code: str) -> set[int]:
        """The statuses that refusals with this code can have."""

    def refusal_type(self, status: int) -> Any:
        """The type of the body of refusals with this status, or None if they have none."""


class NativeFace:
    """Our own face: bearer tokens, RFC 9457 problems, and nothing unknown passes."""

    schemes = frozenset({b"bearer"})
    tenant_header = None
    is_strict = True
    shows_codes = True
    refusal_media = "application/problem+json"

    def refuse(
        self,
        error: OutlastError,
        request_id: str,
        route: Route | None,
        params: Mapping[str, str],
    ) -> Answer:
        """See Face."""
        _ = route, params
        return problem_answer(error, request_id)

    def statuses(self, code: str) -> set[int]:
        """See Face."""
        return {status_of(code)}

    def refusal_type(self, status: int) -> Any:
        """See Face."""
        _ = status
        return Problem


class DialectFace:
    """The face of a dialect."""

    is_strict = False
    shows_codes = False

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.schemes = frozenset(scheme.lower().encode() for scheme in dialect.schemes)
        self.tenant_header = dialect.tenant_header
        self.refusal_media = dialect.render_refusal(_sample("internal_error")).media

    def refuse(
        self,
        error: OutlastError,
        request_id: str,
        route: Route | None,
        params: Mapping[str, str],
    ) -> Answer:
        """See Face."""
        error = known_error(error)
        refusal = Refusal(
            code=error.code,
            status=status_of(error.code),
            message=error.message,
            request_id=request_id,
            place="query" if route is None or route.body is None else "body",
            faults=tuple(
                FieldFault(place=_place(path, route, params), path=path, reason=reason)
                for path, reason in error.field_errors.items()
            ),
            retry_after=retry_after_of(error),
        )
        answer = to_answer(self._dialect.render_refusal(refusal))
        own = {name for name, _ in answer.headers}
        ours = [header for header in error_headers(error) if header[0] not in own]
        return msgspec.structs.replace(answer, headers=[*answer.headers, *ours])

    def statuses(self, code: str) -> set[int]:
        """See Face."""
        fault = FieldFault(place="body", path="field", reason="reason")
        plain = _sample(code)
        named = msgspec.structs.replace(plain, faults=(fault,))
        return {self._dialect.render_refusal(refusal).status for refusal in (plain, named)}

    def refusal_type(self, status: int) -> Any:
        """See Face."""
        return self._dialect.refusal_type(status)


@dataclass(frozen=True, kw_only=True)
class Door:
    """One wire format as it is served: its routes and its face.

    `prefix` stands before its paths in the metrics, wherever it is mounted. `public_url` is how
    clients see its root, where the settings say so.
    """

    table: Table
    face: Face
    prefix: str = ""
    public_url: str | None = None


def to_answer(reply: Reply) -> Answer:
    """A dialect's reply as an answer."""
    return Answer(
        status=reply.status,
        body=reply.body,
        headers=[(name.lower().encode(), value.encode()) for name, value in reply.headers],
        media=reply.media.encode(),
    )


def _sample(code: str) -> Refusal:
    return Refusal(code=code, status=status_of(code), message="", request_id="")


def _place(path: str, route: Route | None, params: Mapping[str, str]) -> Place:
    """The part of the request that a field's name belongs to."""
    if path in params:
        return "path"
    if route is None or route.body is None or route.declares(path) is not None:
        return "query"
    return "body"


NATIVE_FACE: Final = NativeFace()
