"""The settings as one object, and where each comes from."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from outlast.settings.tables import (
    Backend,
    ChatLog,
    ConnectionsSettings,
    Databases,
    EvidenceKey,
    EvidenceSettings,
    Infrastructure,
    InstanceTypesSettings,
    Limits,
    ModuleSettings,
    ObjectStoreSettings,
    Outbound,
    Profile,
    Recovery,
    Retention,
    ServiceSettings,
    Sharing,
)

_DATABASES: Final = ("postgresql://", "postgres://")


class SettingsError(ValueError):
    """A setting that is unknown, malformed or unsafe. The message says which and where."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that `outlast serve` can be told."""

    host: str = "127.0.0.1"
    port: int = 8470
    data: Path = Path("outlast-data")
    database: str | None = None
    database_is_pooled: bool = False
    data_is_shared: bool = False
    workers: int = 4
    kinds: tuple[str, ...] = ()
    claim_kinds: tuple[str, ...] = ()
    worker_labels: dict[str, str] = {}
    public_url: str | None = None
    allow_unsandboxed: bool = False
    warm_children: int = 1
    executor: Literal["subprocess", "ray"] = "subprocess"
    ray_address: str | None = None
    limits: Limits = Limits()
    retention: Retention = Retention()
    recovery: Recovery = Recovery()
    profiles: dict[str, Profile] = {}
    backends: dict[str, Backend] = {}
    object_stores: dict[str, ObjectStoreSettings] = {}
    objects: str | None = None
    databases: Databases = Databases()
    services: dict[str, ServiceSettings] = {}
    modules: dict[str, ModuleSettings] = {}
    infrastructure: Infrastructure = Infrastructure()
    connections: ConnectionsSettings = ConnectionsSettings()
    instance_types: dict[str, InstanceTypesSettings] = {}
    evidence: EvidenceSettings = EvidenceSettings()
    outbound: Outbound = Outbound()
    chat_log: ChatLog = ChatLog()
    sharing: Sharing = Sharing()

    def __post_init__(self) -> None:
        if not 0 <= self.workers <= 1024:  # noqa: PLR2004  more slots than any machine has cores
            raise ValueError("workers must be from 0 to 1024")
        if not 0 <= self.port <= 65_535:  # noqa: PLR2004  what TCP has
            raise ValueError("port must be from 0 to 65535")
        if self.database is not None and not self.database.startswith(_DATABASES):
            raise ValueError("database is a URL such as postgresql://USER@HOST/NAME")
        if self.objects is not None and self.objects not in self.object_stores:
            raise ValueError(f"objects: there is no [object_stores.{self.objects}]")
        for name, one in self.instance_types.items():
            if one.path is None and name != "aws":
                raise ValueError(f"instance_types.{name}: it needs a path; aws alone is packaged")
        if self.ray_address is not None and self.executor != "ray":
            raise ValueError("ray_address: it is only for the executor ray")


VARIABLES: Final = {
    "OUTLAST_HOST": "host",
    "OUTLAST_PORT": "port",
    "OUTLAST_DATA": "data",
    "OUTLAST_DATABASE": "database",
    "OUTLAST_DATABASE_IS_POOLED": "database_is_pooled",
    "OUTLAST_DATA_IS_SHARED": "data_is_shared",
    "OUTLAST_OBJECTS": "objects",
    "OUTLAST_WORKERS": "workers",
    "OUTLAST_KINDS": "kinds",
    "OUTLAST_CLAIM_KINDS": "claim_kinds",
    "OUTLAST_WORKER_LABELS": "worker_labels",
    "OUTLAST_PUBLIC_URL": "public_url",
    "OUTLAST_ALLOW_UNSANDBOXED": "allow_unsandboxed",
    "OUTLAST_EXECUTOR": "executor",
    "OUTLAST_RAY_ADDRESS": "ray_address",
    "OUTLAST_PROFILES": "profiles",
}
_LISTS: Final = frozenset({"kinds", "claim_kinds", "worker_labels", "profiles"})


def load_settings(
    flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None
) -> Settings:
    """The settings in force. A flag that is None was not given. Raises SettingsError."""
    merged: dict[str, Any] = _read_file(file) if file is not None else {}
    for variable, name in VARIABLES.items():
        if variable in environment:
            text = environment[variable]
            _merge(merged, name, text.split(",") if name in _LISTS else text)
    for name, value in flags.items():
        if value is not None:
            _merge(merged, name, value)
    try:
        settings = msgspec.convert(merged, Settings, strict=False, dec_hook=_to_path)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"settings: {error}") from error
    keys = {name: _read_key(name, key) for name, key in settings.evidence.keys.items()}
    return msgspec.structs.replace(settings, evidence=EvidenceSettings(keys=keys))


def _merge(merged: dict[str, Any], name: str, value: Any) -> None:
    """Set one setting. Labels and profiles come as NAME=...; a profile's other fields stay."""
    if name == "worker_labels":
        merged[name] = dict(_pair(text, "a label is given as KEY=VALUE") for text in value)
        return
    if name != "profiles":
        merged[name] = value
        return
    profiles = merged.setdefault("profiles", {})
    if not isinstance(profiles, dict):
        raise SettingsError("settings: profiles are tables, [profiles.NAME]")
    for text in value:
        profile, address = _pair(text, "a profile is given as NAME=HOST:PORT")
        # A name that no table has is a dialect's.
        profiles[profile] = {"dialect": profile} | profiles.get(profile, {}) | {"listen": address}


def _pair(text: str, form: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise SettingsError(f"{form}: {text!r}")
    return name, value


def encode_settings(settings: Settings) -> bytes:
    """Settings as one line of JSON, for a process of our own."""
    return msgspec.json.encode(settings, enc_hook=str)


def decode_settings(line: bytes) -> Settings:
    """What `encode_settings` wrote."""
    return msgspec.json.decode(line, type=Settings, dec_hook=_to_path)


def _to_path(_: type, value: Any) -> Path:
    return Path(value)


def _read_key(name: str, key: EvidenceKey) -> EvidenceKey:
    if key.file is None:
        return key
    try:
        text = key.file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"evidence.keys.{name}: {key.file}: {error}") from error
    return EvidenceKey(pem=text)


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {file}: {error}") from error
