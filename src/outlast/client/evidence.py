"""Evidence, for both clients. To evaluate it, submit `evidence_evaluation`."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from outlast.client.connecting import ProgressCallback
from outlast.client.wire import Call, Request, decoding, nothing, path, query

if TYPE_CHECKING:
    from outlast.client.asynchronous import AsyncClient
    from outlast.client.sync import Client


class EvidenceProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What the format of the evidence does not allow. `path` is a JSON pointer."""

    message: str
    path: str | None = None
    line: int | None = None
    column: int | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence. `wrappers` are what was opened to come to the document, outermost first.

    Of its `problems_total` problems, the first are told.
    """

    id: str
    digest: str
    type: str
    created_at: datetime
    created_by: str = ""
    name: str | None = None
    version: str | None = None
    wrappers: Sequence[str] = ()
    bytes: int = 0
    problems: Sequence[EvidenceProblem] = ()
    problems_total: int = 0


class EvidencePage(msgspec.Struct, frozen=True, kw_only=True):
    """A slice of a list of evidence."""

    evidence: Sequence[Evidence]
    next_page_token: str | None = None


class Evidences:
    """The evidence of a client's tenant. A `ref` is an id or a digest."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def put(
        self, file: Path, *, name: str | None = None, progress: ProgressCallback | None = None
    ) -> Evidence:
        """Bring a file as evidence; what was brought before stays as it is."""
        return self._client.call(_put(file, name), progress)

    def list(self, *, type: str | None = None, limit: int | None = None) -> Iterator[Evidence]:
        """Evidence, newest first."""
        return self._client.pages(lambda token: _list_page(type, token), "evidence", limit)

    def get(self, ref: str) -> Evidence:
        """One piece of evidence, without its content."""
        return self._client.call(_get(ref))

    def download(self, ref: str) -> Iterator[bytes]:
        """The content of evidence. Raises Unreachable if cut off."""
        return self._client.download(_download(ref))

    def delete(self, ref: str) -> None:
        """Delete evidence."""
        self._client.call(_delete(ref))


class AsyncEvidences:
    """The evidence of a client's tenant. A `ref` is an id or a digest."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    async def put(
        self, file: Path, *, name: str | None = None, progress: ProgressCallback | None = None
    ) -> Evidence:
        """Bring a file as evidence; what was brought before stays as it is."""
        return await self._client.call(_put(file, name), progress)

    def list(self, *, type: str | None = None, limit: int | None = None) -> AsyncIterator[Evidence]:
        """Evidence, newest first."""
        return self._client.pages(lambda token: _list_page(type, token), "evidence", limit)

    async def get(self, ref: str) -> Evidence:
        """One piece of evidence, without its content."""
        return await self._client.call(_get(ref))

    def download(self, ref: str) -> AsyncIterator[bytes]:
        """The content of evidence. Raises Unreachable if cut off."""
        return self._client.download(_download(ref))

    async def delete(self, ref: str) -> None:
        """Delete evidence."""
        await self._client.call(_delete(ref))


def _put(file: Path, name: str | None) -> Call[Evidence]:
    request = Request(
        method="POST",
        path=path("evidence"),
        query=query(name=name or file.name),
        headers={"content-type": "application/octet-stream"},
        file=file,
        # It is looked at before it is kept.
        read_seconds=180,
    )
    return Call(request, decoding(Evidence))


def _list_page(type_: str | None, page_token: str | None) -> Call[EvidencePage]:
    wanted = query(type=type_, page_token=page_token)
    return Call(Request(method="GET", path=path("evidence"), query=wanted), decoding(EvidencePage))


def _get(ref: str) -> Call[Evidence]:
    return Call(Request(method="GET", path=path("evidence", ref)), decoding(Evidence))


def _download(ref: str) -> Request:
    return Request(method="GET", path=path("evidence", ref, "content"), read_seconds=600)


def _delete(ref: str) -> Call[None]:
    return Call(Request(method="DELETE", path=path("evidence", ref)), nothing)
