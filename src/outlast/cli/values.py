"""What is written on the command line, read into what is meant."""

import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from outlast.cli.wording import present

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)?")
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Spec(click.ParamType[msgspec.Raw]):
    """JSON text, `@FILE`, or `-` for standard input. Kept as it was written."""

    name = "spec"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> msgspec.Raw:
        """The JSON as bytes, once it has been seen to be JSON."""
        try:
            text = _read(value)
            msgspec.json.decode(text)
        except OSError as error:
            self.fail(f"{value}: {error.strerror}", param, ctx)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.fail(f"this is not JSON: {error}. Give JSON text, @FILE, or - to read it "
                      "from standard input.", param, ctx)  # fmt: skip
        return msgspec.Raw(text)


class Pair(click.ParamType[tuple[str, str]]):
    """`KEY=VALUE`."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The two sides."""
        if isinstance(value, tuple):
            return value
        key, equals, rest = str(value).partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not of the form KEY=VALUE", param, ctx)
        return key, rest


class Resource(click.ParamType[tuple[str, str]]):
    """`TYPE/ID`."""

    name = "type/id"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The two sides."""
        if isinstance(value, tuple):
            return value
        type_, slash, id_ = str(value).partition("/")
        if not slash or not type_ or not id_:
            self.fail(f"{value!r} is not of the form TYPE/ID", param, ctx)
        return type_, id_


class Duration(click.ParamType[float]):
    """`90`, `90s`, `15m`, `2h` or `7d`, in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds."""
        if isinstance(value, int | float):
            return float(value)
        match = _DURATION.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a duration such as 90s, 15m, 2h or 7d", param, ctx)
        return float(match[1]) * _UNITS[match[2] or "s"]


class Instant(click.ParamType[datetime]):
    """`2026-11-22T10:00:00Z`, local time without a zone, or `+15m` from now."""

    name = "instant"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """An aware instant."""
        if isinstance(value, datetime):
            return value
        text = str(value)
        if text.startswith("+"):
            return present() + timedelta(seconds=Duration().convert(text[1:], param, ctx))
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{value!r} is not an instant such as 2026-11-22T10:00:00Z or +15m", param, ctx
            )
        return found if found.tzinfo is not None else found.astimezone()


def resource_fields(resource: tuple[str, str] | None) -> dict[str, str | None]:
    """A resource as the arguments that the client takes."""
    type_, id_ = resource or (None, None)
    return {"resource_type": type_, "resource_id": id_}


def _read(value: str) -> bytes:
    if value == "-":
        return sys.stdin.buffer.read()
    if value.startswith("@"):
        return Path(value[1:]).read_bytes()
    return value.encode()
