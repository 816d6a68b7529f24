"""The calls about files: each builds a request and says how its answer is read. Pure."""

from pathlib import Path

from outlast.client.answers import File, FilePage
from outlast.client.wire import Call, Request, decoding, nothing, path, query


def upload(
    file: Path,
    *,
    purpose: str,
    name: str | None,
    project: str | None,
    expire_seconds: float | None,
) -> Call[File]:
    """A new file with the bytes of a local one, and its name unless another is given."""
    parameters = query(
        name=name or file.name,
        purpose=purpose,
        project=project,
        expire_seconds=None if expire_seconds is None else f"{expire_seconds:f}",
    )
    request = Request(
        method="POST",
        path=path("files"),
        query=parameters,
        headers={"content-type": "application/octet-stream"},
        file=file,
        repeatable=False,
        # A server that keeps its bytes in a bucket passes all of them on before it answers.
        read_seconds=600,
    )
    return Call(request, decoding(File))


def list_page(
    *, purpose: str | None, project: str | None, page_token: str | None = None
) -> Call[FilePage]:
    """One page of the files, newest first."""
    parameters = query(purpose=purpose, project=project, page_token=page_token)
    request = Request(method="GET", path=path("files"), query=parameters)
    return Call(request, decoding(FilePage))


def get(id: str) -> Call[File]:
    """One file, without its content."""
    return Call(Request(method="GET", path=path("files", id)), decoding(File))


def delete(id: str) -> Call[None]:
    """Delete a file and its content."""
    return Call(Request(method="DELETE", path=path("files", id)), nothing)


def download(id: str) -> Request:
    """The content of a file."""
    return Request(method="GET", path=path("files", id, "content"), read_seconds=600)
