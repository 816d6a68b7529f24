"""The kind `service_command`: a command of a service.

Each command is a kind, to which the payload is the spec: it checks it, runs, and gives the result,
as if it had been submitted itself. So the failure codes are those of that kind.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from outlast.operations import documents
from outlast.operations.errors import InvalidSpec, NotFound, TooLarge, Unavailable
from outlast.operations.kind import Catalog, Context, Kind, Prepared
from outlast.resources.services import find_service
from outlast.resources.services.model import service_document

PAYLOAD_CHARS_MAX: Final = 15_000
CONTEXT_MAX: Final = 100
_KEY_CHARS_MAX: Final = 255
_VALUE_CHARS_MAX: Final = 4096


class CommandSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service by its id or name, one of its commands, and the spec of that command's kind.

    `context` is what the caller wants to be remembered with the operation; no command reads it.
    """

    service: str
    command: str
    context: Mapping[str, str | None] = {}
    payload: Mapping[str, Any] = {}


async def prepare(spec: CommandSpec, catalog: Catalog) -> Prepared:
    """Have the command's kind prepare and run it. Raises NotFound, InvalidSpec, TooLarge."""
    _check_context(spec.context)
    chars = len(documents.encode(spec.payload).decode())
    if chars > PAYLOAD_CHARS_MAX:
        raise TooLarge(
            f"the payload has {chars} characters; at most {PAYLOAD_CHARS_MAX} are allowed",
            field_errors={"payload": "is too long"},
        )
    service = await find_service(catalog, spec.service)
    commands = service_document(service).commands
    kind = commands.get(spec.command)
    if kind is None:
        raise NotFound(
            f"the service {service.name} has no command {spec.command[:80]!r}; it has"
            f" {', '.join(sorted(commands)) or 'none'}"
        )
    return Prepared(plan=spec.payload, kind=kind)


def _check_context(context: Mapping[str, str | None]) -> None:
    reason = None
    if len(context) > CONTEXT_MAX:
        reason = f"has at most {CONTEXT_MAX} entries"
    elif any(not 1 <= len(key) <= _KEY_CHARS_MAX for key in context):
        reason = f"has keys of 1 to {_KEY_CHARS_MAX} characters"
    elif any(len(value or "") > _VALUE_CHARS_MAX for value in context.values()):
        reason = f"has values of at most {_VALUE_CHARS_MAX} characters"
    if reason is not None:
        raise InvalidSpec(f"context: {reason}", field_errors={"context": reason})


def run(plan: object, context: Context) -> None:
    """Run a command of a service."""
    _ = plan, context
    raise Unavailable("a command is run by its own kind")


kinds: Final = [
    Kind(
        "service_command",
        spec=CommandSpec,
        result=Any,
        prepare=prepare,
        run=run,
        description="Run a command of a service: another kind, under the service's name for it.",
    )
]
