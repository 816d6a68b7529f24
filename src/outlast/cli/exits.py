"""How the program ends: exit codes, and what is said about an error and what to do."""

from enum import IntEnum
from typing import Final

import click
import msgspec

from outlast.client.answers import Operation
from outlast.client.errors import (
    ClientError,
    OperationCancelled,
    OperationFailed,
    Unauthenticated,
    Unavailable,
    Unreachable,
    UnreadableAnswer,
    WaitTimedOut,
)
from outlast.settings import SettingsError

_NO_SERVER: Final = "Start one with `outlast serve`, or name another with --url or OUTLAST_URL."
_AGAIN: Final = "Try again in a while; `outlast doctor` may say more."
_WAIT_ON: Final = "Go on waiting with `outlast wait`, or see how far it is with `outlast watch`."
_WHO: Final = (
    "Set OUTLAST_TOKEN, or name a file with --token-file. On the server's own machine the admin "
    "token is looked for in OUTLAST_DATA, or in ./outlast-data."
)


class Exit(IntEnum):
    """What the shell is told."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    TIMED_OUT = 4
    NO_SERVER = 5
    INTERRUPTED = 130


class Complaint(msgspec.Struct, frozen=True):
    """One clear sentence, what to do about it, and the exit code."""

    sentence: str
    advice: str
    exit: Exit

    def show(self) -> None:
        """Say it on standard error."""
        click.echo(f"Error: {self.sentence}", err=True)
        if self.advice:
            click.echo(self.advice, err=True)


def exit_of(operation: Operation) -> Exit:
    """The exit code for how an operation ended."""
    match operation.state:
        case "failed":
            return Exit.FAILED
        case "cancelled":
            return Exit.CANCELLED
        case _:
            return Exit.DONE


def explain(error: Exception) -> Complaint | None:
    """What to tell about an expected error; None for one that nobody expected."""
    said: tuple[str, str, Exit] | None = None
    match error:
        case Unreachable() | UnreadableAnswer():
            said = f"no server answers: {error.detail}", _NO_SERVER, Exit.NO_SERVER
        case Unavailable():
            said = f"the server cannot do this now: {error.detail}", _AGAIN, Exit.NO_SERVER
        case Unauthenticated():
            said = error.detail, _WHO, Exit.USAGE
        case WaitTimedOut():
            said = f"{error.detail}; it goes on", _WAIT_ON, Exit.TIMED_OUT
        case OperationFailed():
            said = f"{error.code}: {error.detail}", "", Exit.FAILED
        case OperationCancelled():
            said = error.detail, "", Exit.CANCELLED
        case ClientError():
            said = f"{error.detail} [{error.code}]", _fields(error), Exit.USAGE
        case SettingsError():
            said = str(error), "`outlast serve --help` lists the settings.", Exit.USAGE
        case OSError():
            said = str(error), "", Exit.USAGE
    return None if said is None else Complaint(*said)


def _fields(error: ClientError) -> str:
    lines = [
        f"  {name}: {reason}"
        for name, reason in error.field_errors.items()
        if reason not in error.detail
    ]
    if error.request_id and error.status is not None and error.status >= 500:  # noqa: PLR2004  5xx
        lines.append(f"  request id: {error.request_id}")
    return "\n".join(lines)
