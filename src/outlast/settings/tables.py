"""The tables of the settings file. Each says what is wrong with a value of its own."""

from pathlib import Path
from typing import Final, Literal

import msgspec

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit on everything that a caller can make large. Table `[limits]`."""

    body_bytes: int = _MIB
    upload_bytes: int = 16 * 1024 * _MIB
    dataset_body_bytes: int = 64 * _MIB
    chat_body_bytes: int = 16 * _MIB
    chat_answer_bytes: int = 64 * _MIB
    chat_entry_bytes: int = _MIB
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
    schedules: int = 1000
    watchers: int = 10_000
    evidence_bytes: int = 16 * _MIB
    policy_seconds: float = 20
    database_bytes: int = 16 * 1024 * _MIB
    pipe_table_files: int = 100_000
    pipe_table_bytes: int = 16 * 1024 * _MIB


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long things are kept. Table `[retention]`."""

    operations_days: float = 30
    temporary_datasets_days: float = 7
    audit_days: float = 365
    tombstones_days: float = 7
    chat_log_days: float = 30


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


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dialect bound to an address of its own. Table `[profiles.NAME]`.

    `listen` is HOST:PORT; `hosts` are host names by which the main port knows it. `public_url` is
    how its clients see it.
    """

    dialect: str
    listen: str | None = None
    hosts: tuple[str, ...] = ()
    public_url: str | None = None


class Backend(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where models are served. Table `[backends.NAME]`.

    Either `url`, an OpenAI-compatible endpoint, and the `models` that it has; or `folder`, a local
    model, which bears the backend's name. `api_key_variable` names the environment variable that
    holds the key. The limits hold for each process that calls the backend.
    """

    url: str | None = None
    folder: Path | None = None
    models: tuple[str, ...] = ()
    api_key_variable: str | None = None
    concurrency: int = 16
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout_seconds: float = 600

    def __post_init__(self) -> None:
        if (self.url is None) == (self.folder is None):
            raise ValueError("a backend has either a url or a folder")
        if (self.url is None) == bool(self.models):
            raise ValueError("a backend with a url names its models; one with a folder does not")
        limits = (self.concurrency, self.requests_per_minute, self.tokens_per_minute)
        if any(limit is not None and limit < 1 for limit in limits) or self.timeout_seconds <= 0:
            raise ValueError("a backend's limits are positive")


class EvidenceKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A public key that signatures of evidence are held to. Table `[evidence.keys.NAME]`.

    `file` is a PEM file, which is read with the settings; or `pem` is its text.
    """

    file: Path | None = None
    pem: str | None = None

    def __post_init__(self) -> None:
        if (self.file is None) == (self.pem is None):
            raise ValueError("a key of evidence has either a file or a pem")


class EvidenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What evidence is held to. Table `[evidence]`."""

    keys: dict[str, EvidenceKey] = {}


class ObjectStoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place for bytes. Table `[object_stores.NAME]`.

    `url` is s3://BUCKET/PREFIX for what speaks S3, or file:///FOLDER for a folder that is only
    read. The variables name what holds the keys in the environment.
    """

    url: str
    endpoint: str | None = None
    region: str | None = None
    access_key_variable: str | None = None
    secret_key_variable: str | None = None

    def __post_init__(self) -> None:
        if not self.url.startswith("file:"):
            return
        if not self.url.startswith("file:///"):
            raise ValueError("the url of an object store that is a folder is file:///FOLDER")
        keys = (self.access_key_variable, self.secret_key_variable)
        if any(one is not None for one in (self.endpoint, self.region, *keys)):
            raise ValueError("an object store that is a folder has a url and nothing else")

    @property
    def key_variables(self) -> dict[str, str]:
        """The names of the variables that hold its keys, by what the keys are for."""
        keys = {"access_key": self.access_key_variable, "secret_key": self.secret_key_variable}
        return {name: variable for name, variable in keys.items() if variable is not None}

    @property
    def folder(self) -> Path | None:
        """The folder that it is, if it is one."""
        return Path(self.url.removeprefix("file://")) if self.url.startswith("file:") else None


class Databases(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where databases are made. Table `[databases]`.

    With `engine = "postgresql"`, `url_variable` names the environment variable of the workers that
    holds the URL of a PostgreSQL server, of a role that may create databases and roles.
    """

    engine: Literal["duckdb", "postgresql"] = "duckdb"
    url_variable: str | None = None

    def __post_init__(self) -> None:
        if self.engine == "postgresql" and not self.url_variable:
            raise ValueError("databases on PostgreSQL need a url_variable")


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service: kinds of this installation under names of their own. Table `[services.NAME]`.

    `commands` maps names to kinds.
    """

    commands: dict[str, str]
    description: str = ""


class ModuleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Terraform or OpenTofu module that callers may deploy. Table `[modules.NAME]`.

    `path` is its folder on the server. `word`: what is made of it is called a stack, a network or a
    cluster. `environment` names variables of the workers' environment that it may see.
    """

    path: Path
    word: Literal["stack", "network", "cluster"] = "stack"
    description: str = ""
    environment: tuple[str, ...] = ()
    timeout_seconds: float = 6 * 3600

    def __post_init__(self) -> None:
        if self.timeout_seconds <= 0:
            raise ValueError("timeout_seconds is positive")


class Infrastructure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What deploys modules. Table `[infrastructure]`.

    `program` is `tofu` or `terraform`; else the first of both on the PATH of the process. Providers
    come from the folder `provider_mirror`, and from their registries only where `registries` says
    so; `plugin_cache` is a folder that keeps those. `parallelism`: so many resources at a time.
    """

    program: Path | None = None
    provider_mirror: Path | None = None
    plugin_cache: Path | None = None
    registries: bool = False
    parallelism: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.parallelism <= 256:  # noqa: PLR2004  more than any provider likes
            raise ValueError("parallelism must be from 1 to 256")


class NodeOverhead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What nodes hold of the cluster's own. Table `[instance_types.NAME.overhead]`.

    No provider publishes it: these are declared, and a start for those of your own cluster.
    """

    system_pods_per_node: int = 4
    system_pods_per_system_node: int = 2
    system_pods_fixed: int = 8
    system_pods_per_node_margin: int = 2
    system_pods_fixed_margin: int = 2
    system_milli_cpu_per_node: int = 180
    system_milli_cpu_fixed: int = 520
    karpenter_milli_cpu_per_replica: int = 1000
    karpenter_replicas: int = 2

    def __post_init__(self) -> None:
        if min(getattr(self, name) for name in NodeOverhead.__struct_fields__) < 0:
            raise ValueError("an overhead is not negative")


class InstanceTypesSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The instance types of a provider. Table `[instance_types.NAME]`.

    `path` is a file on the workers, such as `outlast instance-types convert` writes; without it
    they are the packaged ones, of which there are those of `aws`.
    """

    path: Path | None = None
    overhead: NodeOverhead = NodeOverhead()


class ConnectionsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What connections may lead to. Table `[connections]`.

    `folders` are those of the workers' machines that connections to folders may be below.
    """

    folders: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not all(one.is_absolute() for one in self.folders):
            raise ValueError("connections.folders begin with /")


class Outbound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where calls that callers ask for may go beside the public internet. Table `[outbound]`.

    Each of `allow` is a host, HOST:PORT, *.SUFFIX or a network such as 10.0.0.0/8.
    """

    allow: tuple[str, ...] = ()


class ChatLog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether chat completions are logged. Table `[chat_log]`.

    `redact` is MODULE:FUNCTION: it is given each entry and returns what shall be kept, or None.
    """

    is_enabled: bool = True
    redact: str | None = None


def _check_positive(table: msgspec.Struct, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(table, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1")


class TenantShare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one tenant may take of what all share. Table `[sharing.tenants.NAME]`.

    What is None here is as `[sharing.every_tenant]` has it. `weight`: a tenant with 2 has twice the
    slots of one with 1 while both have work waiting. `running_max` and `starts_per_minute` hold for
    its attempts over all workers.
    """

    weight: int | None = None
    running_max: int | None = None
    starts_per_minute: int | None = None
    pending_max: int | None = None

    def __post_init__(self) -> None:
        _check_positive(self, ("weight", "running_max", "starts_per_minute", "pending_max"))


class KindShare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many operations of a kind run, and where. Table `[sharing.kinds.NAME]`.

    Only workers that have all of `labels` run them.
    """

    running_max: int | None = None
    starts_per_minute: int | None = None
    labels: dict[str, str] = {}

    def __post_init__(self) -> None:
        _check_positive(self, ("running_max", "starts_per_minute"))


_ANY_KIND: Final = KindShare()


class Sharing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How tenants and kinds share the workers. Table `[sharing]`. Tenants by name or id."""

    every_tenant: TenantShare = TenantShare()
    tenants: dict[str, TenantShare] = {}
    kinds: dict[str, KindShare] = {}

    def of_tenant(self, tenant: str) -> TenantShare:
        """What the tenant may take."""
        own = self.tenants.get(tenant)
        if own is None:
            return self.every_tenant
        given = {name: value for name, value in msgspec.structs.asdict(own).items() if value}
        return msgspec.structs.replace(self.every_tenant, **given)

    def of_kind(self, kind: str) -> KindShare:
        """What the kind may take."""
        return self.kinds.get(kind, _ANY_KIND)
