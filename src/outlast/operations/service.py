"""What a service is: kinds of this installation, under names of their own, and what it says."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid5

from outlast.operations.errors import Unavailable
from outlast.operations.kind import Catalog, Context, Kind

STATUS_CHARS_MAX: Final = 15_000
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")
_COMMAND: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_NAMESPACE: Final = UUID("5b0a2c1e-6a3f-5d86-9f40-0d3c7f1c2a94")


@dataclass(frozen=True)
class Service:
    """Kinds that belong together. `commands` maps the names of its commands to names of kinds.

    `status(catalog)`, plain or async, is called whenever somebody asks; it must be quick, and
    returns a JSON object of at most 15,000 characters. Each tenant is shown what its catalog says.
    """

    name: str
    commands: Mapping[str, str] = field(kw_only=True)
    status: Callable[[Catalog], Any] | None = field(default=None, kw_only=True)
    description: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a service's name must match {_NAME.pattern}: {self.name!r}")
        for command in self.commands:
            if not _COMMAND.fullmatch(command):
                raise ValueError(f"a command's name must match {_COMMAND.pattern}: {command!r}")

    @property
    def id(self) -> str:
        """A UUID, which is the same wherever a service is called so."""
        return str(uuid5(_NAMESPACE, self.name))


def status_kind_name(service: str) -> str:
    """What the kind is called whose `prepare` asks a service for its status."""
    return f"status_of_{service}"


def status_kind(service: Service) -> Kind | None:
    """The kind by which a service is asked, wherever kinds are prepared; None: it tells nothing."""
    status = service.status
    if status is None:
        return None
    return Kind(
        status_kind_name(service.name),
        spec=dict[str, Any],
        result=Any,
        prepare=lambda _, catalog: status(catalog),
        run=_never,
        is_part=True,
    )


def status_kinds(module: object) -> list[Kind]:
    """The kinds by which the services of a module are asked."""
    asked = map(status_kind, getattr(module, "services", ()))
    return [kind for kind in asked if kind is not None]


def _never(plan: object, context: Context) -> None:
    _ = plan, context
    raise Unavailable("a status is not run as an operation")
