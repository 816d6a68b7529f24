"""The one module that knows Ray."""

import asyncio
import importlib.util
import logging
import os
from collections.abc import Callable
from typing import Any, Final

from outlast.executors.ray.pipes import Lost
from outlast.executors.ray.placement import placement_of
from outlast.executors.ray.relay import Relay
from outlast.operations.errors import Unavailable
from outlast.operations.kind import Resources
from outlast.settings import SettingsError

_AGAIN_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 5.0
_CHARACTERS_SHOWN: Final = 1_000

logger = logging.getLogger(__name__)


def check_installed() -> None:
    """Raises SettingsError where there is no Ray."""
    if importlib.util.find_spec("ray") is None:
        raise SettingsError("the executor `ray` needs Ray: pip install 'outlast[ray]'")


class RayCluster:
    """A cluster at an address, or one on this machine that ends with this process.

    `lost` is called when this process' own node is gone: then nothing finds a place any more.
    Raises SettingsError where Ray is not installed.
    """

    def __init__(self, address: str | None, lost: Callable[[], None]) -> None:
        check_installed()
        # Only where it is used: it takes its time.
        self._ray: Any = importlib.import_module("ray")
        self._address = address
        self._lost = lost

    async def open(self) -> None:
        """Join the cluster, or start one."""
        try:
            # It sets a handler for SIGTERM, but for a thread that may not.
            await asyncio.to_thread(self._join)
        except Exception as error:
            where = f"at {self._address}" if self._address else "on this machine"
            raise Unavailable(f"no Ray cluster {where}: {_first_lines(_root(error))}") from error
        self._actors = self._ray.remote(Relay)
        self._watching = asyncio.create_task(self._watch())

    def place(self, resources: Resources) -> "RayPipe":
        """Ask for an actor; Ray starts it as soon as a node has room for it."""
        return RayPipe(self._ray, self._actors.options(**placement_of(resources)).remote())

    async def close(self) -> None:
        """Leave the cluster; end one of our own."""
        self._watching.cancel()
        await asyncio.wait([self._watching])
        await asyncio.to_thread(self._ray.shutdown)

    async def _watch(self) -> None:
        while await asyncio.to_thread(self._has_node):  # noqa: ASYNC110  Ray tells nobody
            await asyncio.sleep(_LOOK_SECONDS)
        logger.error("this worker's own Ray node is gone; the worker ends")
        self._lost()

    def _has_node(self) -> bool:
        own = self._ray.get_runtime_context().get_node_id()
        try:
            nodes = self._ray.nodes()
        except self._ray.exceptions.RayError as error:
            logger.warning("Ray does not say which nodes live: %s", error)
            return True
        return any(node["NodeID"] == own and node["Alive"] for node in nodes)

    def _join(self) -> None:
        options: dict[str, Any] = {"include_dashboard": False}
        if self._address is None:
            # Else it asks the network for its address, and reports its use.
            options["_node_ip_address"] = "127.0.0.1"
            os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        self._ray.init(
            address=self._address or "local",
            namespace="outlast",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(options if self._address is None else {}),
        )


class RayPipe:
    """The way to one actor."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray = ray
        self._actor = actor
        self._heard = 0
        self._told = 0
        self._is_closed = False

    async def read(self) -> bytes:
        """See Pipe."""
        data: bytes = await self._call("hear", self._heard)
        if not data:
            raise Lost("its host ended")
        self._heard += len(data)
        return data

    async def write(self, data: bytes) -> None:
        """See Pipe."""
        await self._call("tell", self._told, data)
        self._told += len(data)

    async def close(self) -> None:
        """See Pipe."""
        if not self._is_closed:
            self._is_closed = True
            await asyncio.to_thread(self._ray.kill, self._actor)

    async def _call(self, method: str, *arguments: Any) -> Any:
        while not self._is_closed:
            try:
                return await getattr(self._actor, method).remote(*arguments)
            except self._ray.exceptions.ActorUnavailableError:
                # It may have heard us all the same: the relay counts.
                await asyncio.sleep(_AGAIN_SECONDS)
            except self._ray.exceptions.RayError as error:
                raise Lost(_first_lines(error)) from error
        raise Lost("it was given up")


def _root(error: BaseException) -> BaseException:
    """What an error came of: Ray says little in the last one of a chain."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _first_lines(error: BaseException) -> str:
    return " ".join(str(error).split())[:_CHARACTERS_SHOWN]
