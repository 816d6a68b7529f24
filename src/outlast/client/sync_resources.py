"""Datasets, tokens and tenants, for code that waits for its answers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from outlast.client import access_requests, dataset_requests, file_requests
from outlast.client.answers import (
    ChatLogSetting,
    Dataset,
    File,
    NewToken,
    Rows,
    Tenant,
    Token,
    Version,
)
from outlast.client.connecting import ProgressCallback

if TYPE_CHECKING:
    from outlast.client.sync import Client


class Datasets:
    """The datasets of a client's tenant. A `ref` is an id or a name."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def create(self, name: str) -> Dataset:
        """A new dataset without a version. Raises Conflict if there is one of this name."""
        return self._client.call(dataset_requests.create(name))

    def list(self, *, limit: int | None = None) -> Iterator[Dataset]:
        """Datasets, newest first."""
        return self._client.pages(
            lambda token: dataset_requests.list_page(page_size=None, page_token=token),
            "datasets",
            limit,
        )

    def get(self, ref: str) -> Dataset:
        """One dataset."""
        return self._client.call(dataset_requests.get(ref))

    def delete(self, ref: str) -> None:
        """Delete a dataset with its versions."""
        self._client.call(dataset_requests.delete(ref))

    def upload(
        self,
        ref: str,
        file: Path,
        *,
        name: str | None = None,
        progress: ProgressCallback | None = None,
    ) -> Version:
        """A new version with the rows of a .jsonl, .csv or .parquet file, streamed."""
        return self._client.call(dataset_requests.upload(ref, file, name=name), progress)

    def versions(self, ref: str, *, limit: int | None = None) -> Iterator[Version]:
        """The versions of a dataset, newest first."""
        return self._client.pages(
            lambda token: dataset_requests.versions_page(ref, page_token=token), "versions", limit
        )

    def version(self, ref: str, version: str) -> Version:
        """One version, by its hash or the name that it was given."""
        return self._client.call(dataset_requests.version(ref, version))

    def rows(
        self, ref: str, *, version: str | None = None, offset: int = 0, limit: int = 100
    ) -> Rows:
        """Some rows of a version; without one, of the current version."""
        return self._client.call(
            dataset_requests.rows(ref, version=version, offset=offset, limit=limit)
        )

    def export(
        self, ref: str, *, version: str | None = None, format: str = "jsonl"
    ) -> Iterator[bytes]:
        """The bytes of a version as `jsonl`, `csv` or `parquet`. Raises Unreachable if cut off."""
        return self._client.download(dataset_requests.export(ref, version=version, format=format))


class Files:
    """The files of a client's tenant."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def upload(
        self,
        file: Path,
        *,
        purpose: str,
        name: str | None = None,
        project: str | None = None,
        expire_seconds: float | None = None,
        progress: ProgressCallback | None = None,
    ) -> File:
        """A new file with the bytes of a local one, streamed."""
        call = file_requests.upload(
            file, purpose=purpose, name=name, project=project, expire_seconds=expire_seconds
        )
        return self._client.call(call, progress)

    def list(
        self, *, purpose: str | None = None, project: str | None = None, limit: int | None = None
    ) -> Iterator[File]:
        """Files, newest first."""
        return self._client.pages(
            lambda token: file_requests.list_page(
                purpose=purpose, project=project, page_token=token
            ),
            "files",
            limit,
        )

    def get(self, id: str) -> File:
        """One file, without its content."""
        return self._client.call(file_requests.get(id))

    def download(self, id: str) -> Iterator[bytes]:
        """The content of a file. Raises Unreachable if cut off."""
        return self._client.download(file_requests.download(id))

    def delete(self, id: str) -> None:
        """Delete a file and its content."""
        self._client.call(file_requests.delete(id))


class Tokens:
    """The tokens of a client's tenant."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def create(
        self, role: str, *, member: str | None = None, expires_seconds: float | None = None
    ) -> NewToken:
        """A new token; its text is shown this once."""
        return self._client.call(
            access_requests.create_token(role, member=member, expires_seconds=expires_seconds)
        )

    def list(self) -> Sequence[Token]:
        """Every token."""
        return self._client.call(access_requests.tokens())

    def rotate(self, token_id: str) -> NewToken:
        """The same token with a new text; the old one is refused from now on."""
        return self._client.call(access_requests.rotate_token(token_id))

    def revoke(self, token_id: str) -> None:
        """Refuse a token from now on."""
        self._client.call(access_requests.revoke_token(token_id))


class Tenants:
    """The tenants of an installation, for root."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def create(self, name: str) -> Tenant:
        """A new tenant."""
        return self._client.call(access_requests.create_tenant(name))

    def list(self) -> Sequence[Tenant]:
        """Every tenant."""
        return self._client.call(access_requests.tenants())

    def chat_log(self) -> ChatLogSetting:
        """Whether the chats of the client's tenant are logged."""
        return self._client.call(access_requests.chat_log())

    def set_chat_log(self, *, is_enabled: bool) -> ChatLogSetting:
        """Decide whether they are, from the next one on: for admins of the tenant."""
        return self._client.call(access_requests.set_chat_log(is_enabled=is_enabled))
