"""Where tokens and tenants are made: at the server, or in its data folder without it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import click

from outlast.client.answers import ChatLogSetting, NewToken, Tenant, Token
from outlast.client.sync import Client

if TYPE_CHECKING:
    from outlast.engine.access import Principal
    from outlast.engine.tokens import Token as KeptToken
    from outlast.engine.tokens import Tokens
    from outlast.store.port import Store

T = TypeVar("T")


class Office(Protocol):
    """Makes tokens and tenants."""

    def create_tenant(self, name: str) -> Tenant:
        """A new tenant."""

    def tenants(self) -> Sequence[Tenant]:
        """Every tenant."""

    def chat_log(self, *, is_enabled: bool | None) -> ChatLogSetting:
        """Whether the tenant's chats are logged; decided before, unless `is_enabled` is None."""

    def create_token(
        self, role: str, member: str | None, expires_seconds: float | None
    ) -> NewToken:
        """A new token; its text is shown this once."""

    def tokens(self) -> Sequence[Token]:
        """The tokens of the tenant."""

    def rotate_token(self, token_id: str) -> NewToken:
        """The same token with a new text."""

    def revoke_token(self, token_id: str) -> None:
        """Refuse a token from now on."""


class ServerOffice:
    """Asks the server, which asks whether the caller's token may."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create_tenant(self, name: str) -> Tenant:
        """A new tenant."""
        return self._client.tenants.create(name)

    def tenants(self) -> Sequence[Tenant]:
        """Every tenant."""
        return self._client.tenants.list()

    def chat_log(self, *, is_enabled: bool | None) -> ChatLogSetting:
        """Whether the tenant's chats are logged; decided before, unless `is_enabled` is None."""
        if is_enabled is None:
            return self._client.tenants.chat_log()
        return self._client.tenants.set_chat_log(is_enabled=is_enabled)

    def create_token(
        self, role: str, member: str | None, expires_seconds: float | None
    ) -> NewToken:
        """A new token; its text is shown this once."""
        return self._client.tokens.create(role, member=member, expires_seconds=expires_seconds)

    def tokens(self) -> Sequence[Token]:
        """The tokens of the tenant."""
        return self._client.tokens.list()

    def rotate_token(self, token_id: str) -> NewToken:
        """The same token with a new text."""
        return self._client.tokens.rotate(token_id)

    def revoke_token(self, token_id: str) -> None:
        """Refuse a token from now on."""
        self._client.tokens.revoke(token_id)


class FolderOffice:
    """Writes to the data folder: whoever can is root. The server need not be running."""

    def __init__(self, data: Path, tenant: str | None) -> None:
        self._data = data
        self._tenant = tenant
        if not (data / "outlast.db").exists():
            raise click.UsageError(
                f"there is no data folder at {data}. Name it with --data or OUTLAST_DATA, or set "
                "OUTLAST_TOKEN to ask the server instead."
            )

    def create_tenant(self, name: str) -> Tenant:
        """A new tenant."""

        async def create(tokens: "Tokens", root: "Principal") -> Tenant:
            made = await tokens.create_tenant(root, name)
            return Tenant(id=made.id, name=made.name, created_at=_instant(made.created_at))

        return self._run(create)

    def tenants(self) -> Sequence[Tenant]:
        """Every tenant."""

        async def find(tokens: "Tokens", root: "Principal") -> list[Tenant]:
            return [
                Tenant(id=one.id, name=one.name, created_at=_instant(one.created_at))
                for one in await tokens.tenants(root)
            ]

        return self._run(find)

    def chat_log(self, *, is_enabled: bool | None) -> ChatLogSetting:
        """Whether the tenant's chats are logged, as far as the data folder tells."""

        async def decide(store: "Store", root: "Principal") -> ChatLogSetting:
            # Only the folder needs it.
            from outlast.resources.chat_log import (  # noqa: PLC0415
                ChatLogSettings,
                TenantSetting,
            )

            settings = ChatLogSettings(store.catalog)
            if is_enabled is not None:
                await settings.set(root, TenantSetting(is_enabled=is_enabled))
            kept = await settings.get(root)
            return ChatLogSetting(is_enabled=kept.is_enabled, is_logged=kept.is_enabled)

        return self._run_at_store(decide)

    def create_token(
        self, role: str, member: str | None, expires_seconds: float | None
    ) -> NewToken:
        """A new token; its text is shown this once."""

        async def create(tokens: "Tokens", root: "Principal") -> NewToken:
            from outlast.engine.access import Role  # noqa: PLC0415  only the folder needs it

            made, secret = await tokens.create(
                root, Role(role), member=member, expires_seconds=expires_seconds
            )
            return NewToken(token=_token(made), secret=secret)

        return self._run(create)

    def tokens(self) -> Sequence[Token]:
        """The tokens of the tenant."""

        async def find(tokens: "Tokens", root: "Principal") -> list[Token]:
            return [_token(one) for one in await tokens.tokens(root)]

        return self._run(find)

    def rotate_token(self, token_id: str) -> NewToken:
        """The same token with a new text."""

        async def rotate(tokens: "Tokens", root: "Principal") -> NewToken:
            made, secret = await tokens.rotate(root, token_id)
            return NewToken(token=_token(made), secret=secret)

        return self._run(rotate)

    def revoke_token(self, token_id: str) -> None:
        """Refuse a token from now on."""

        async def revoke(tokens: "Tokens", root: "Principal") -> None:
            await tokens.revoke(root, token_id)

        self._run(revoke)

    def _run(self, work: "Callable[[Tokens, Principal], Awaitable[T]]") -> T:
        from outlast.engine.tokens import Tokens  # noqa: PLC0415  as above

        return self._run_at_store(lambda store, root: work(Tokens(store), root))

    def _run_at_store(self, work: "Callable[[Store, Principal], Awaitable[T]]") -> T:
        from outlast.operations.errors import OutlastError  # noqa: PLC0415  as above

        try:
            return asyncio.run(self._with_store(work))
        except OutlastError as error:
            raise click.UsageError(f"{error.message} [{error.code}]") from error

    async def _with_store(self, work: "Callable[[Store, Principal], Awaitable[T]]") -> T:
        # Everything a server is made of, which asking a server does not need.
        from outlast import app  # noqa: PLC0415
        from outlast.engine.tokens import Tokens  # noqa: PLC0415
        from outlast.settings import Settings  # noqa: PLC0415

        store = app.open_store(Settings(data=self._data))
        await store.open()
        try:
            return await work(store, await self._root(Tokens(store)))
        finally:
            await store.close()

    async def _root(self, tokens: "Tokens") -> "Principal":
        import msgspec  # noqa: PLC0415

        from outlast import app  # noqa: PLC0415

        root = app.root_principal()
        if self._tenant is None:
            return root
        for one in await tokens.tenants(root):
            if self._tenant in {one.id, one.name}:
                return msgspec.structs.replace(root, tenant=one.id)
        raise click.UsageError(f"there is no tenant {self._tenant!r}; see `outlast tenant list`")


def _token(kept: "KeptToken") -> Token:
    return Token(
        id=kept.id,
        tenant=kept.tenant,
        member=kept.member,
        role=kept.role,
        created_at=_instant(kept.created_at),
        created_by=kept.created_by,
        expires_at=None if kept.expires_at is None else _instant(kept.expires_at),
    )


def _instant(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
