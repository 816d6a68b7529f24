"""The routes of services, and of their commands."""

from outlast.dialects.gooddata import encode
from outlast.dialects.gooddata.services import (
    ListServices,
    RunServiceCommandRequest,
    ServiceInfo,
    ServiceStatus,
    command_spec,
    service_list,
    wire_path,
)
from outlast.dialects.gooddata.words import OperationKind
from outlast.engine.access import Verb
from outlast.http.gooddata.listing import WINDOW, parse_window
from outlast.http.gooddata.operations import (
    ACCEPT_ERRORS,
    ACCEPTED,
    BASE,
    OPERATION_ID,
    accept,
)
from outlast.http.parsing import read_json
from outlast.http.parts import Parts
from outlast.http.routing import Answer, Call, Route
from outlast.resources.services import Services

_SERVICE = BASE + "/services/{serviceId}"
_PARAMS = {"serviceId": "A service's id, or its name.", "commandName": "A command's name."}


class ServiceRoutes:
    """The routes of services."""

    def __init__(self, parts: Parts, services: Services) -> None:
        self._engine = parts.engine
        self._services = services
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [
            Route(
                method="GET",
                path=BASE + "/services",
                handle=self._list,
                says="List AI Lake services",
                verb=Verb.READ,
                query=WINDOW,
                answers={200: ListServices},
            ),
            Route(
                method="GET",
                path=_SERVICE + "/status",
                handle=self._status,
                says="Get AI Lake service status",
                verb=Verb.READ,
                answers={200: ServiceStatus},
                errors=("not_found", "unavailable"),
                params=_PARAMS,
            ),
            Route(
                method="POST",
                path=_SERVICE + "/commands/{commandName}/run",
                handle=self._run,
                says="Run an AI Lake services command",
                verb=Verb.SUBMIT,
                headers=(OPERATION_ID,),
                body=RunServiceCommandRequest,
                answers=ACCEPTED,
                errors=ACCEPT_ERRORS,
                params=_PARAMS,
            ),
        ]

    async def _list(self, call: Call) -> Answer:
        window = parse_window(call)
        found = await self._services.find(call.principal)
        shown = [ServiceInfo(service_id=one.id, name=one.name) for one in found]
        return Answer(body=encode(service_list(shown, window)))

    async def _status(self, call: Call) -> Answer:
        status = await self._services.status(call.principal, call.params["serviceId"])
        return Answer(body=encode(ServiceStatus(status=status)))

    async def _run(self, call: Call) -> Answer:
        limits = self._engine.limits
        request = await read_json(
            call, RunServiceCommandRequest, limits.body_bytes, self._body_seconds
        )
        spec = command_spec(call.params["serviceId"], call.params["commandName"], request)
        kind = OperationKind.RUN_SERVICE_COMMAND
        return await accept(self._engine, call, kind, spec, wire_path=wire_path)
