"""What a provider publishes of its instance types, as a file: the packaged one of AWS, or another.

A file is JSON, as it is or gzipped: one PublishedTypes.
"""

import gzip
import zlib
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

PACKAGED: Final = "aws"
"""The provider whose instance types are packaged."""

FILE_BYTES_MAX: Final = 16 * 1024**2
TYPES_MAX: Final = 20_000
_GZIP: Final = b"\x1f\x8b"


class BadFile(ValueError):
    """A file that does not hold instance types. The message says why, and not where it is."""


class InstanceType(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One type of machine. `group` says what it is for.

    How many pods it has room for is either told (`max_pods`) or follows from the addresses of its
    default network card. `regions` are where it is offered; none: it is not known.
    """

    name: str
    vcpus: int
    memory_mib: int
    architecture: str
    group: str
    gpus: int = 0
    interfaces: int | None = None
    addresses_per_interface: int | None = None
    max_pods: int | None = None
    regions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.vcpus, self.memory_mib) < 1 or self.gpus < 0:
            raise ValueError(f"{self.name}: it has at least one vCPU and 1 MiB of memory")
        if self.max_pods is None and (self.interfaces is None or not self.addresses_per_interface):
            raise ValueError(
                f"{self.name}: it has max_pods, or interfaces and addresses_per_interface"
            )

    @property
    def family(self) -> str:
        """What its name says before the first full stop."""
        return self.name.partition(".")[0]


class PublishedTypes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The instance types of a provider, where they were published, when, and under which terms."""

    source: str
    date: str
    licence: str
    types: tuple[InstanceType, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.types) <= TYPES_MAX:
            raise ValueError(f"there are 1 to {TYPES_MAX} instance types")
        if len({one.name for one in self.types}) != len(self.types):
            raise ValueError("an instance type has a name of its own")


def read_published(path: Path | None) -> PublishedTypes:
    """What a file holds; without a path, the packaged types of AWS. Raises BadFile."""
    try:
        content = read_bytes(path) if path is not None else _packaged()
        return msgspec.json.decode(content, type=PublishedTypes)
    except msgspec.DecodeError as error:
        raise BadFile(f"it is not a file of instance types: {error}") from error


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked if it is gzipped. Raises BadFile."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_GZIP))
            file.seek(0)
            content = (gzip.GzipFile(fileobj=file) if head == _GZIP else file).read(
                FILE_BYTES_MAX + 1
            )
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise BadFile(f"it cannot be read: {reason}") from error
    if len(content) > FILE_BYTES_MAX:
        raise BadFile(f"it has more than {FILE_BYTES_MAX} bytes")
    return content


def _packaged() -> bytes:
    packed = files("outlast.kinds.instance_types").joinpath("aws.json.gz").read_bytes()
    return gzip.decompress(packed)


def encode_published(published: PublishedTypes) -> bytes:
    """The content of a file: gzipped, and the same bytes for the same types."""
    return gzip.compress(msgspec.json.encode(published), mtime=0)
