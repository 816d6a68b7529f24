"""Which kinds this installation has, and where their `prepare` runs."""

import importlib
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from outlast.engine import Verb
from outlast.engine.preparing import OwnPreparer
from outlast.executors.launching import Launcher
from outlast.executors.preparing import PrepareChild
from outlast.operations.kind import Catalog, Kind, Prepared
from outlast.operations.service import Service, status_kinds
from outlast.settings import Settings, SettingsError
from outlast.worker import OwnPartials

BUILTIN_MODULES: Final = (
    "outlast.kinds.analyze_statistics",
    "outlast.kinds.batch_inference",
    "outlast.kinds.check_drift",
    "outlast.kinds.build_vector_database",
    "outlast.kinds.chat_prompt",
    "outlast.kinds.collect_datasets",
    "outlast.kinds.compact_database",
    "outlast.kinds.create_pipe_table",
    "outlast.kinds.dataset_to_file",
    "outlast.kinds.delete_pipe_table",
    "outlast.kinds.deploy",
    "outlast.kinds.deprovision_database",
    "outlast.kinds.destroy",
    "outlast.kinds.discover_instance_types",
    "outlast.kinds.evidence_evaluation",
    "outlast.kinds.evaluate_chat",
    "outlast.kinds.export_vector_database",
    "outlast.kinds.file_to_dataset",
    "outlast.kinds.fine_tuning",
    "outlast.kinds.import_objects",
    "outlast.kinds.materialize_history",
    "outlast.kinds.own_services",
    "outlast.kinds.provision_database",
    "outlast.kinds.refresh_pipe_table",
    "outlast.kinds.service_command",
    "outlast.kinds.sql_query",
    "outlast.kinds.validate_connection",
    "outlast.kinds.verify_dataset",
)


class Installed(msgspec.Struct, frozen=True):
    """The kinds of this installation by name, the module that each comes from, and services."""

    kinds: Mapping[str, Kind]
    modules: Mapping[str, str]
    services: Sequence[Service] = ()

    def is_ours(self, kind: Kind) -> bool:
        """Whether the kind is one of our own."""
        return self.modules[kind.name] in BUILTIN_MODULES


def install_kinds(settings: Settings) -> Installed:
    """The built-in kinds and services, and those of `--kinds`. Raises SettingsError."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    kinds: dict[str, Kind] = {}
    modules: dict[str, str] = {}
    services: list[Service] = []
    for name in (*BUILTIN_MODULES, *settings.kinds):
        try:
            module = importlib.import_module(name)
            found = [*module.kinds, *status_kinds(module)]
        except (ImportError, AttributeError) as error:
            raise SettingsError(
                f"--kinds {name}: {error}; it must be a module with a list named `kinds`"
            ) from error
        for kind in found:
            if kind.verb is not None and kind.verb not in set(Verb):
                raise SettingsError(f"--kinds {name}: kind {kind.name}: no verb {kind.verb!r}")
            if kind.name in kinds:
                raise SettingsError(f"--kinds {name}: there is a kind {kind.name!r} already")
            kinds[kind.name], modules[kind.name] = kind, name
        services += getattr(module, "services", ())
    services += _services_of(settings)
    check_services(services, kinds)
    return Installed(kinds, modules, services)


def _services_of(settings: Settings) -> list[Service]:
    try:
        return [
            Service(name, commands=one.commands, description=one.description)
            for name, one in settings.services.items()
        ]
    except ValueError as error:
        raise SettingsError(f"services: {error}") from error


def check_services(services: Sequence[Service], kinds: Mapping[str, Kind]) -> None:
    """Raise SettingsError for services that could not be run."""
    names: set[str] = set()
    for service in services:
        if service.name in names:
            raise SettingsError(f"services: there are two that are called {service.name!r}")
        names.add(service.name)
        for command, kind in service.commands.items():
            if kind not in kinds or kinds[kind].is_part:
                raise SettingsError(
                    f"services.{service.name}: the command {command!r} names the kind {kind!r},"
                    " which is not here"
                )


def kinds_to_claim(settings: Settings, installed: Installed) -> frozenset[str]:
    """The kinds that a worker of these settings runs. Raises SettingsError if there are none."""
    unknown = sorted(set(settings.claim_kinds) - installed.kinds.keys())
    if unknown:
        raise SettingsError(f"claim_kinds: there is no kind {unknown[0]} here")
    ours = settings.worker_labels.items()
    kinds = frozenset(
        kind
        for kind in settings.claim_kinds or installed.kinds
        if settings.sharing.of_kind(kind).labels.items() <= ours
    )
    if not kinds:
        raise SettingsError("this worker has the labels of none of its kinds: it would run nothing")
    return kinds


class Preparers:
    """Our own kinds prepare in this process, those of `--kinds` in a child that can be killed.

    The same for what they make of a last checkpoint.
    """

    def __init__(self, installed: Installed, launcher: Launcher) -> None:
        self._installed = installed
        self._own = OwnPreparer()
        self._own_partials = OwnPartials()
        self._before: dict[str, Callable[[], Awaitable[None]]] = {}
        others = {
            kind.name: installed.modules[kind.name]
            for kind in installed.kinds.values()
            if (kind.prepare or kind.partial) and not installed.is_ours(kind)
        }
        variables = {one for name in others for one in installed.kinds[name].environment}
        self._children = (
            PrepareChild(launcher, sorted(set(others.values())), environment=sorted(variables))
            if others
            else None
        )

    def before(self, kind: str, act: Callable[[], Awaitable[None]]) -> None:
        """Have something done before a kind is prepared here: what it is about to look for."""
        self._before[kind] = act

    async def prepare(self, kind: Kind, spec: bytes, catalog: Catalog) -> Prepared:
        """See `engine.preparing.Preparer`."""
        act = self._before.get(kind.name)
        if act is not None:
            await act()
        if self._children is None or kind.prepare is None or self._installed.is_ours(kind):
            return await self._own.prepare(kind, spec, catalog)
        return await self._children.prepare(kind.name, spec, catalog)

    async def partial(self, kind: Kind, checkpoint: bytes) -> Sequence[bytes]:
        """See `worker.equipment.PartialSource`."""
        if self._children is None or self._installed.is_ours(kind):
            return await self._own_partials.partial(kind, checkpoint)
        return await self._children.partial(kind.name, checkpoint)

    async def open(self) -> None:
        """Have the child wait, where one is needed."""
        if self._children is not None:
            await self._children.open()

    async def close(self) -> None:
        """End the child."""
        if self._children is not None:
            await self._children.close()
