"""What can be set, read once at the edge into frozen objects.

A flag beats an environment variable (OUTLAST_*), which beats the settings file (TOML), which beats
the default. Nothing below the composition root reads the environment.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB


class SettingsError(ValueError):
    """A setting that is unknown, malformed or unsafe. The message says which and where."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit on everything that a caller can make large. Table `[limits]`."""

    body_bytes: int = _MIB
    upload_bytes: int = 16 * 1024 * _MIB
    spec_bytes: int = 256 * _KIB
    result_bytes: int = _MIB
    progress_bytes: int = 256 * _KIB
    checkpoint_bytes: int = _MIB
    event_bytes: int = 64 * _KIB
    events_per_attempt: int = 10_000
    log_bytes: int = _MIB
    log_line_bytes: int = 8 * _KIB
    labels: int = 32
    label_key_chars: int = 63
    label_value_chars: int = 255
    wait_seconds: float = 60
    batch: int = 1000
    page_size: int = 500
    watchers: int = 10_000


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long things are kept. Table `[retention]`."""

    operations_days: float = 30
    temporary_datasets_days: float = 7
    audit_days: float = 365


class Recovery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fast a lost worker is noticed. Table `[recovery]`."""

    lease_seconds: float = 15
    renew_seconds: float = 4
    reap_seconds: float = 1
    cancel_grace_seconds: float = 5
    drain_seconds: float = 10

    def __post_init__(self) -> None:
        if self.renew_seconds * 2 > self.lease_seconds:
            raise ValueError("renew_seconds must be at most half of lease_seconds")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that `outlast serve` can be told."""

    host: str = "127.0.0.1"
    port: int = 8470
    data: Path = Path("outlast-data")
    workers: int = 4
    kinds: tuple[str, ...] = ()
    public_url: str | None = None
    allow_unsandboxed: bool = False
    warm_children: int = 1
    limits: Limits = Limits()
    retention: Retention = Retention()
    recovery: Recovery = Recovery()

    def __post_init__(self) -> None:
        if not 0 <= self.workers <= 1024:  # noqa: PLR2004  more slots than any machine has cores
            raise ValueError("workers must be from 0 to 1024")
        if not 0 <= self.port <= 65_535:  # noqa: PLR2004  what TCP has
            raise ValueError("port must be from 0 to 65535")


_VARIABLES: Final = {
    "OUTLAST_HOST": "host",
    "OUTLAST_PORT": "port",
    "OUTLAST_DATA": "data",
    "OUTLAST_WORKERS": "workers",
    "OUTLAST_KINDS": "kinds",
    "OUTLAST_PUBLIC_URL": "public_url",
    "OUTLAST_ALLOW_UNSANDBOXED": "allow_unsandboxed",
}


def load_settings(
    flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None
) -> Settings:
    """The settings in force. A flag that is None was not given. Raises SettingsError."""
    merged: dict[str, Any] = _read_file(file) if file is not None else {}
    for variable, name in _VARIABLES.items():
        if variable in environment:
            text = environment[variable]
            merged[name] = text.split(",") if name == "kinds" else text
    merged.update({name: value for name, value in flags.items() if value is not None})
    try:
        return msgspec.convert(merged, Settings, strict=False, dec_hook=_to_path)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"settings: {error}") from error


def encode_settings(settings: Settings) -> bytes:
    """Settings as one line of JSON, for a process of our own."""
    return msgspec.json.encode(settings, enc_hook=str)


def decode_settings(line: bytes) -> Settings:
    """What `encode_settings` wrote."""
    return msgspec.json.decode(line, type=Settings, dec_hook=_to_path)


def _to_path(_: type, value: Any) -> Path:
    return Path(value)


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {file}: {error}") from error
