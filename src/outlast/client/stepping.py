"""Taking the steps of procedures over httpx, with and without an event loop. All I/O is here."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx

from outlast.client.connecting import (
    PIECE_BYTES,
    Connection,
    ProgressCallback,
    lost,
)
from outlast.client.procedures import Close, Emit, Open, Pause, Read, Send, Step
from outlast.client.wire import Answer, Lost, Request

_ERROR_STATUS = 400
_AT_END = Lost("the server closed the stream", sent=False)
_EMITTED = "this procedure emits; iterate over it"


class Steps:
    """Takes the steps of one procedure, one after the other."""

    def __init__(
        self, http: httpx.Client, connection: Connection, progress: ProgressCallback | None = None
    ) -> None:
        self._http = http
        self._connection = connection
        self._progress = progress
        self._open: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def take(self, step: Step) -> Any:
        """Do what the step says; returns what came of it."""
        match step:
            case Send():
                return self._send(step.request)
            case Pause():
                self._connection.notify(step.reason, step.seconds)
                time.sleep(step.seconds)
            case Open():
                return self._start(step.request)
            case Read():
                return self._read()
            case Close():
                self.close()
            case Emit():
                raise TypeError(_EMITTED)
        return None

    def close(self) -> None:
        """Let go of what is open."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _send(self, request: Request) -> Answer | Lost:
        try:
            response = self._http.send(self._build(request))
        except httpx.TransportError as error:
            return lost(error)
        return _answer(response)

    def _start(self, request: Request) -> Answer | Lost:
        self.close()
        try:
            response = self._http.send(self._build(request, is_stream=True), stream=True)
            if response.status_code >= _ERROR_STATUS:
                response.read()
                return _answer(response)
        except httpx.TransportError as error:
            return lost(error)
        self._open, self._pieces = response, response.iter_bytes()
        return Answer(response.status_code, dict(response.headers))

    def _read(self) -> bytes | Lost:
        try:
            piece = next(self._pieces, None)
        except httpx.TransportError as error:
            return Lost(lost(error).reason, sent=True)
        return _AT_END if piece is None else piece

    def _build(self, request: Request, *, is_stream: bool = False) -> httpx.Request:
        content: bytes | Iterator[bytes] | None = request.body
        if request.file is not None:
            content = _pieces(request.file, self._progress)
        return self._http.build_request(
            request.method,
            request.path,
            params=list(request.query),
            headers=_headers(request),
            content=content,
            timeout=self._connection.timeout(request, is_stream=is_stream),
        )


class AsyncSteps:
    """Takes the steps of one procedure, one after the other, on an event loop."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        connection: Connection,
        progress: ProgressCallback | None = None,
    ) -> None:
        self._http = http
        self._connection = connection
        self._progress = progress
        self._open: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def take(self, step: Step) -> Any:
        """Do what the step says; returns what came of it."""
        match step:
            case Send():
                return await self._send(step.request)
            case Pause():
                self._connection.notify(step.reason, step.seconds)
                await asyncio.sleep(step.seconds)
            case Open():
                return await self._start(step.request)
            case Read():
                return await self._read()
            case Close():
                await self.aclose()
            case Emit():
                raise TypeError(_EMITTED)
        return None

    async def aclose(self) -> None:
        """Let go of what is open."""
        if self._open is not None:
            await self._open.aclose()
            self._open = None

    async def _send(self, request: Request) -> Answer | Lost:
        try:
            response = await self._http.send(self._build(request))
        except httpx.TransportError as error:
            return lost(error)
        return _answer(response)

    async def _start(self, request: Request) -> Answer | Lost:
        await self.aclose()
        try:
            response = await self._http.send(self._build(request, is_stream=True), stream=True)
            if response.status_code >= _ERROR_STATUS:
                await response.aread()
                return _answer(response)
        except httpx.TransportError as error:
            return lost(error)
        self._open, self._pieces = response, response.aiter_bytes()
        return Answer(response.status_code, dict(response.headers))

    async def _read(self) -> bytes | Lost:
        if self._pieces is None:
            return _AT_END
        try:
            piece = await anext(self._pieces, None)
        except httpx.TransportError as error:
            return Lost(lost(error).reason, sent=True)
        return _AT_END if piece is None else piece

    def _build(self, request: Request, *, is_stream: bool = False) -> httpx.Request:
        content: bytes | AsyncIterator[bytes] | None = request.body
        if request.file is not None:
            content = _async_pieces(request.file, self._progress)
        return self._http.build_request(
            request.method,
            request.path,
            params=list(request.query),
            headers=_headers(request),
            content=content,
            timeout=self._connection.timeout(request, is_stream=is_stream),
        )


def _headers(request: Request) -> dict[str, str]:
    headers = dict(request.headers)
    if request.file is not None:
        headers["content-length"] = str(request.file.stat().st_size)
    return headers


def _pieces(file: Path, progress: ProgressCallback | None) -> Iterator[bytes]:
    total = file.stat().st_size
    sent = 0
    with file.open("rb") as opened:
        while piece := opened.read(PIECE_BYTES):
            yield piece
            sent += len(piece)
            if progress is not None:
                progress(sent, total)


async def _async_pieces(file: Path, progress: ProgressCallback | None) -> AsyncIterator[bytes]:
    pieces = _pieces(file, progress)
    # Disks are slow at times, and the loop has others to serve.
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, dict(response.headers), response.content)
