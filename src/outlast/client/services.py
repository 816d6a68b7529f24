"""Services, for both clients. To run a command, submit `service_command`."""

from typing import TYPE_CHECKING, Any

from outlast.client.database_answers import Service, ServiceList, ServiceStatus
from outlast.client.wire import Call, Request, decoding, path

if TYPE_CHECKING:
    from outlast.client.asynchronous import AsyncClient
    from outlast.client.sync import Client


class Services:
    """The services of the installation. A `ref` is an id or a name."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def list(self) -> list[Service]:
        """All of them, by name."""
        return list(self._client.call(_list()).services)

    def get(self, ref: str) -> Service:
        """One service and its commands."""
        return self._client.call(_get(ref))

    def status(self, ref: str) -> dict[str, Any] | None:
        """What a service says of itself, if it says anything."""
        return self._client.call(_status(ref)).status


class AsyncServices:
    """The services of the installation. A `ref` is an id or a name."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    async def list(self) -> list[Service]:
        """All of them, by name."""
        return list((await self._client.call(_list())).services)

    async def get(self, ref: str) -> Service:
        """One service and its commands."""
        return await self._client.call(_get(ref))

    async def status(self, ref: str) -> dict[str, Any] | None:
        """What a service says of itself, if it says anything."""
        return (await self._client.call(_status(ref))).status


def _list() -> Call[ServiceList]:
    return Call(Request(method="GET", path=path("services")), decoding(ServiceList))


def _get(ref: str) -> Call[Service]:
    return Call(Request(method="GET", path=path("services", ref)), decoding(Service))


def _status(ref: str) -> Call[ServiceStatus]:
    where = path("services", ref, "status")
    return Call(Request(method="GET", path=where), decoding(ServiceStatus))
