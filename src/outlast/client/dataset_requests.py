"""The calls about datasets: each builds a request and says how its answer is read. Pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from outlast.client.answers import Dataset, DatasetPage, Rows, Version, VersionPage
from outlast.client.errors import InvalidRequest
from outlast.client.wire import Call, Request, decoding, json_request, nothing, path, query

CONTENT_TYPES: Final[Mapping[str, str]] = {
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
}
"""What can be uploaded, by the file's suffix."""


def create(name: str) -> Call[Dataset]:
    """A new dataset without a version."""
    request = json_request("POST", path("datasets"), {"name": name}, repeatable=False)
    return Call(request, decoding(Dataset))


def list_page(*, page_size: int | None, page_token: str | None = None) -> Call[DatasetPage]:
    """One page of the datasets."""
    parameters = query(page_size=page_size, page_token=page_token)
    request = Request(method="GET", path=path("datasets"), query=parameters)
    return Call(request, decoding(DatasetPage))


def get(ref: str) -> Call[Dataset]:
    """One dataset, by id or name."""
    return Call(Request(method="GET", path=path("datasets", ref)), decoding(Dataset))


def delete(ref: str) -> Call[None]:
    """Delete a dataset with its versions."""
    return Call(Request(method="DELETE", path=path("datasets", ref)), nothing)


def upload(ref: str, file: Path, *, name: str | None = None) -> Call[Version]:
    """A new version with a file's rows. Raises InvalidRequest for a suffix that is not known."""
    content_type = CONTENT_TYPES.get(file.suffix.lower())
    if content_type is None:
        known = ", ".join(CONTENT_TYPES)
        raise InvalidRequest(
            f"{file.name}: the format is told by the suffix, one of {known}", code="unknown_format"
        )
    request = Request(
        method="POST",
        path=path("datasets", ref, "versions"),
        query=query(name=name),
        headers={"content-type": content_type},
        file=file,
        repeatable=False,
        # The server converts the rows before it answers.
        read_seconds=600,
    )
    return Call(request, decoding(Version))


def versions_page(
    ref: str, *, page_size: int | None = None, page_token: str | None = None
) -> Call[VersionPage]:
    """One page of a dataset's versions, newest first."""
    request = Request(
        method="GET",
        path=path("datasets", ref, "versions"),
        query=query(page_size=page_size, page_token=page_token),
    )
    return Call(request, decoding(VersionPage))


def version(ref: str, version: str) -> Call[Version]:
    """One version, by its hash or the name that it was given."""
    request = Request(method="GET", path=path("datasets", ref, "versions", version))
    return Call(request, decoding(Version))


def rows(ref: str, *, version: str | None, offset: int, limit: int) -> Call[Rows]:
    """Some rows of a version; without one, of the current version."""
    request = Request(
        method="GET",
        path=path("datasets", ref, "rows"),
        query=query(version=version, offset=offset, limit=limit),
        read_seconds=60,
    )
    return Call(request, decoding(Rows))


def export(ref: str, *, version: str | None, format: str) -> Request:
    """The bytes of a version in a format: `jsonl`, `csv` or `parquet`."""
    return Request(
        method="GET",
        path=path("datasets", ref, "export"),
        query=query(version=version, format=format),
        read_seconds=600,
    )
