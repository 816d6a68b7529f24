"""Schedules, for both clients."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from outlast.client import schedule_requests
from outlast.client.answers import Schedule
from outlast.client.connecting import fresh_key
from outlast.client.handles import AsyncHandle, Handle
from outlast.client.schedule_requests import NewSchedule

if TYPE_CHECKING:
    from outlast.client.asynchronous import AsyncClient
    from outlast.client.sync import Client


class Schedules:
    """The schedules of a client's tenant. A `ref` is an id or a name."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def create(self, wish: NewSchedule) -> Schedule:
        """A new schedule, or the one that the same wish made before. Raises Conflict."""
        return self._client.call(schedule_requests.create(wish))

    def list(
        self,
        *,
        kind: str | None = None,
        created_by: str | None = None,
        belongs_to: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Schedule]:
        """Schedules, newest first. With `belongs_to` empty: only those that go with no resource."""
        return self._client.pages(
            lambda token: schedule_requests.list_page(
                kind=kind, created_by=created_by, belongs_to=belongs_to, page_token=token
            ),
            "schedules",
            limit,
        )

    def get(self, ref: str) -> Schedule:
        """One schedule, and what came of it."""
        return self._client.call(schedule_requests.get(ref))

    def update(self, ref: str, changes: Mapping[str, Any]) -> Schedule:
        """Change the fields that are named, by NewSchedule's names; None takes a value away."""
        return self._client.call(schedule_requests.update(ref, changes))

    def pause(self, ref: str) -> Schedule:
        """Let no instant come until the schedule is resumed."""
        return self._client.call(schedule_requests.pause(ref))

    def resume(self, ref: str) -> Schedule:
        """Let instants come again; those of the pause are not made up for."""
        return self._client.call(schedule_requests.resume(ref))

    def trigger(self, ref: str, *, idempotency_key: str | None = None) -> Handle:
        """Make the schedule's operation now. Raises Conflict while the last one is alive."""
        key = idempotency_key or fresh_key()
        return Handle(self._client, self._client.call(schedule_requests.trigger(ref, key)))

    def delete(self, ref: str) -> None:
        """Delete a schedule; what it has made stays."""
        self._client.call(schedule_requests.delete(ref))


class AsyncSchedules:
    """The schedules of a client's tenant. A `ref` is an id or a name."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    async def create(self, wish: NewSchedule) -> Schedule:
        """A new schedule, or the one that the same wish made before. Raises Conflict."""
        return await self._client.call(schedule_requests.create(wish))

    def list(
        self,
        *,
        kind: str | None = None,
        created_by: str | None = None,
        belongs_to: str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Schedule]:
        """Schedules, newest first. With `belongs_to` empty: only those that go with no resource."""
        return self._client.pages(
            lambda token: schedule_requests.list_page(
                kind=kind, created_by=created_by, belongs_to=belongs_to, page_token=token
            ),
            "schedules",
            limit,
        )

    async def get(self, ref: str) -> Schedule:
        """One schedule, and what came of it."""
        return await self._client.call(schedule_requests.get(ref))

    async def update(self, ref: str, changes: Mapping[str, Any]) -> Schedule:
        """Change the fields that are named, by NewSchedule's names; None takes a value away."""
        return await self._client.call(schedule_requests.update(ref, changes))

    async def pause(self, ref: str) -> Schedule:
        """Let no instant come until the schedule is resumed."""
        return await self._client.call(schedule_requests.pause(ref))

    async def resume(self, ref: str) -> Schedule:
        """Let instants come again; those of the pause are not made up for."""
        return await self._client.call(schedule_requests.resume(ref))

    async def trigger(self, ref: str, *, idempotency_key: str | None = None) -> AsyncHandle:
        """Make the schedule's operation now. Raises Conflict while the last one is alive."""
        key = idempotency_key or fresh_key()
        call = schedule_requests.trigger(ref, key)
        return AsyncHandle(self._client, await self._client.call(call))

    async def delete(self, ref: str) -> None:
        """Delete a schedule; what it has made stays."""
        await self._client.call(schedule_requests.delete(ref))
