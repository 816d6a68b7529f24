"""Services: what this installation can be told to do. A command is run by a `service_command`."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from outlast.engine.access import Verb
from outlast.http.kinds import schema_of
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Route
from outlast.operations.kind import Kind
from outlast.resources.services import FoundService, Services


class CommandView(msgspec.Struct, frozen=True, kw_only=True):
    """A command: the kind that runs it, and the JSON Schema of its payload."""

    name: str
    kind: str
    description: str
    payload_schema: dict[str, Any]


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """A service and its commands."""

    id: str
    name: str
    description: str
    commands: Sequence[CommandView]


class ServicesView(msgspec.Struct, frozen=True, kw_only=True):
    """All services of this installation, by name."""

    services: Sequence[ServiceView]


class ServiceStatusView(msgspec.Struct, frozen=True, kw_only=True):
    """What a service says of itself, if it says anything."""

    status: dict[str, Any] | None


class ServiceRoutes:
    """The routes of /v1/services."""

    def __init__(self, services: Services, kinds: Mapping[str, Kind]) -> None:
        self._services = services
        self._kinds = kinds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        path, one = "/v1/services", "/v1/services/{service}"
        return [
            Route(
                method="GET",
                path=path,
                handle=self._list,
                says="The services of this installation, by name",
                verb=Verb.READ,
                answers={200: ServicesView},
            ),
            Route(
                method="GET",
                path=one,
                handle=self._get,
                says="A service and its commands, by its id or name",
                verb=Verb.READ,
                answers={200: ServiceView},
                errors=("not_found",),
            ),
            Route(
                method="GET",
                path=one + "/status",
                handle=self._status,
                says="What a service says of itself",
                verb=Verb.READ,
                answers={200: ServiceStatusView},
                errors=("not_found", "prepare_timed_out"),
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        found = await self._services.find(call.principal)
        return Answer(body=encode(ServicesView(services=[self._view(one) for one in found])))

    async def _get(self, call: Call) -> Answer:
        found = await self._services.get(call.principal, call.params["service"])
        return Answer(body=encode(self._view(found)))

    async def _status(self, call: Call) -> Answer:
        status = await self._services.status(call.principal, call.params["service"])
        return Answer(body=encode(ServiceStatusView(status=status)))

    def _view(self, service: FoundService) -> ServiceView:
        return ServiceView(
            id=service.id,
            name=service.name,
            description=service.description,
            commands=[
                CommandView(
                    name=command.name,
                    kind=command.kind,
                    description=self._kinds[command.kind].summary,
                    payload_schema=schema_of(self._kinds[command.kind].spec),
                )
                for command in service.commands
            ],
        )
