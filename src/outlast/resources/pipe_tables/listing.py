"""The files below a prefix: which there are, what their paths say, and which are new. Pure."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, Literal
from urllib.parse import unquote

import msgspec

from outlast.operations.errors import Invalid, TooLarge
from outlast.resources.pipe_tables.column_types import VARCHAR, ColumnType

FileFormat = Literal["parquet", "csv"]

_SHOWN_MAX: Final = 20
HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"
_SUFFIXES: Final[tuple[tuple[str, FileFormat, bool], ...]] = (
    (".parquet", "parquet", False),
    (".csv", "csv", False),
    (".csv.gz", "csv", True),
)
_PARTITION: Final = re.compile(r"([^=]+)=(.*)")
_PREFIX: Final = re.compile(r"[^\x00-\x1f\x7f]{0,1024}")
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class ListedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was listed. One with another `identity` is not the same file any more.

    `etag` is by what the place that holds it tells, if it can.
    """

    key: str
    bytes: int
    identity: str
    etag: str | None = None


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """What to load of a listing now, how many files are left for later, and what is amiss.

    Of what has changed or vanished since it was loaded a few keys are told, and how many there are.
    """

    keys: tuple[str, ...]
    left: int = 0
    changed: tuple[str, ...] = ()
    changed_count: int = 0
    vanished: tuple[str, ...] = ()
    vanished_count: int = 0


def check_prefix(prefix: str) -> str:
    """The prefix without slashes around it, if there can be one. Raises Invalid."""
    stripped = prefix.strip("/")
    names = stripped.split("/") if stripped else []
    if not _PREFIX.fullmatch(prefix) or any(name in {"", ".", ".."} for name in names):
        raise Invalid("a path prefix is SOME/FOLDER, with at most 1024 characters")
    return stripped


def is_loaded(key: str, prefix: str) -> bool:
    """Whether a file is one to load: by its ending, and by no name below the prefix being hidden.

    Names that begin with a dot or an underscore are hidden: writers keep there what is not ready.
    """
    names = _below(key, prefix)
    if any(name.startswith((".", "_")) for name in names):
        return False
    return any(names[-1].lower().endswith(suffix) for suffix, _, _ in _SUFFIXES)


def format_of(key: str) -> tuple[FileFormat, bool]:
    """What a file that `is_loaded` holds, and whether it is compressed."""
    name = key.lower()
    return next((format, gz) for suffix, format, gz in _SUFFIXES if name.endswith(suffix))


def partition_values(key: str, prefix: str) -> dict[str, str | None]:
    """What the folders NAME=VALUE below the prefix say. Raises Invalid for a name that repeats."""
    values: dict[str, str | None] = {}
    for folder in _below(key, prefix)[:-1]:
        found = _PARTITION.fullmatch(folder)
        if found is None:
            continue
        name, value = unquote(found[1]), unquote(found[2])
        if name in values:
            raise Invalid(f"{key}: the folder {name!r} appears twice")
        values[name] = None if value == HIVE_NULL else value
    return values


def partition_types(rows: Sequence[Mapping[str, str | None]]) -> dict[str, ColumnType]:
    """The types of partition columns: the first of whole number, date and text that fits all.

    Raises Invalid unless all have the same names in the same order.
    """
    names = list(rows[0]) if rows else []
    for row in rows:
        if list(row) != names:
            raise Invalid(f"some files lie in folders {_shown(names)}, others in {_shown(row)}")
    return {name: _type_of([row[name] for row in rows]) for name in names}


def choose(
    listed: Iterable[ListedFile], loaded: Mapping[str, str], bytes_max: int, files_max: int
) -> Chosen:
    """What to load of a listing, in the order of keys, up to a number of bytes and of files.

    `loaded` has the identity of each file that was, by key. A changed one is told and not loaded
    again: its rows are there, and cannot be taken out. Raises TooLarge for a file that never fits.
    """
    by_key = {file.key: file for file in listed}
    new = [file for key, file in sorted(by_key.items()) if key not in loaded]
    keys: list[str] = []
    left = bytes_max
    for file in new[:files_max]:
        if file.bytes > bytes_max:
            raise TooLarge(f"{file.key} has more than {bytes_max} bytes (limits.pipe_table_bytes)")
        left -= file.bytes
        if left < 0:
            break
        keys.append(file.key)
    changed = [
        key for key, file in by_key.items() if loaded.get(key, file.identity) != file.identity
    ]
    vanished = loaded.keys() - by_key.keys()
    return Chosen(
        keys=tuple(keys),
        left=len(new) - len(keys),
        changed=tuple(sorted(changed)[:_SHOWN_MAX]),
        changed_count=len(changed),
        vanished=tuple(sorted(vanished)[:_SHOWN_MAX]),
        vanished_count=len(vanished),
    )


def fingerprint(listed: Iterable[ListedFile]) -> str:
    """A text that differs where listings do."""
    digest = hashlib.sha256()
    for file in sorted(listed, key=lambda file: file.key):
        digest.update(msgspec.json.encode((file.key, file.identity)))
    return digest.hexdigest()


def _below(key: str, prefix: str) -> list[str]:
    return (key.removeprefix(f"{prefix}/") if prefix else key).split("/")


def _type_of(values: Sequence[str | None]) -> ColumnType:
    given = [value for value in values if value is not None]
    if given and all(map(_INTEGER.fullmatch, given)):
        return ColumnType("BIGINT")
    if given and all(map(_is_date, given)):
        return ColumnType("DATE")
    return VARCHAR


def _is_date(value: str) -> bool:
    if not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _shown(names: Iterable[str]) -> str:
    return "/".join(f"{name}=..." for name in names) or "of no partition"
