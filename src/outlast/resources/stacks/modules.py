"""Modules of the settings: packed once a server starts, so that every attempt has the same files.

A packed module is an object that is called by the hash of its content. What variables it has is
read from it in a locked child, once for each content, and kept beside it.
"""

import asyncio
import hashlib
import io
import tarfile
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec

from outlast.executors.calls import Sandbox
from outlast.operations.errors import NotFound
from outlast.operations.kind import Catalog
from outlast.resources.configured import MODULE
from outlast.resources.objects import ObjectStore
from outlast.resources.stacks.model import ModulePin, Word
from outlast.settings import ModuleSettings, SettingsError

MODULES_PREFIX: Final = "modules/"
MODULE_FILE: Final = "module.tar"
MODULE_BYTES_MAX: Final = 16 * 1024 * 1024
FILES_MAX: Final = 10_000
READING: Final = "outlast.resources.stacks.locked"
_SECONDS: Final = 60.0
_MEMORY_BYTES: Final = 1024**3
_LEFT_OUT: Final = frozenset(
    {".terraform", ".git", "terraform.tfstate", "terraform.tfstate.backup"}
)
"""What the tool, or its users, leave in a module's folder and is not of it."""


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """What a module wants to be told. `type` is as the module has it."""

    name: str
    type: str = ""
    description: str = ""
    is_required: bool = False
    is_sensitive: bool = False


class ModuleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog tells of a module of the settings."""

    word: Word
    description: str
    pin: ModulePin
    variables: tuple[Variable, ...]


class _Read(msgspec.Struct):
    variables: list[Variable] = []
    error: str | None = None


async def pack_modules(
    modules: Mapping[str, ModuleSettings], objects: ObjectStore, sandbox: Sandbox, spool: Path
) -> dict[str, ModuleDocument]:
    """Store the modules of the settings, and what is known of them. Raises SettingsError."""
    packed: dict[str, ModuleDocument] = {}
    for name, module in modules.items():
        try:
            content = await asyncio.to_thread(pack_folder, module.path)
            key = f"{MODULES_PREFIX}{hashlib.sha256(content).hexdigest()}"
            if not await objects.touch(key):
                await objects.put_bytes(key, content)
            variables = await _variables(key, content, objects, sandbox, spool)
        except (OSError, ValueError) as error:
            raise SettingsError(f"modules.{name}: {error}") from error
        pin = ModulePin(
            name=name,
            key=key,
            environment=module.environment,
            timeout_seconds=module.timeout_seconds,
        )
        packed[name] = ModuleDocument(
            word=module.word, description=module.description, pin=pin, variables=variables
        )
    return packed


def pack_folder(folder: Path) -> bytes:
    """The files of a folder as one, the same for the same files. Raises OSError, ValueError."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    found = sorted(_files(folder))
    if not any(str(name).endswith((".tf", ".tf.json")) for name, _ in found):
        raise ValueError(f"{folder} has no file *.tf")
    if len(found) > FILES_MAX:
        raise ValueError(f"{folder} has more than {FILES_MAX} files")
    packed, left = io.BytesIO(), MODULE_BYTES_MAX
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in found:
            content = path.read_bytes()
            left -= len(content)
            if left < 0:
                raise ValueError(f"{folder} has more than {MODULE_BYTES_MAX} bytes")
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o700 if path.stat().st_mode & 0o100 else 0o600
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _files(folder: Path) -> list[tuple[str, Path]]:
    return [
        (path.relative_to(folder).as_posix(), path)
        for path in folder.rglob("*")
        if path.is_file() and not _LEFT_OUT.intersection(path.relative_to(folder).parts)
    ]


async def _variables(
    key: str, content: bytes, objects: ObjectStore, sandbox: Sandbox, spool: Path
) -> tuple[Variable, ...]:
    """What is kept beside the module, or else what a child reads from it. Raises ValueError."""
    beside = f"{key}.variables"
    try:
        async with aclosing(objects.read(beside)) as chunks:  # type: ignore[type-var]
            kept = b"".join([chunk async for chunk in chunks])
        await objects.touch(beside)
        return tuple(msgspec.json.decode(kept, type=list[Variable]))
    except NotFound:
        pass
    file = spool / f"module-{key.rpartition('/')[2]}"
    try:
        await asyncio.to_thread(file.write_bytes, content)
        async with sandbox(
            f"{READING}:read_variables",
            b"",
            inputs={MODULE_FILE: file},
            timeout_seconds=_SECONDS,
            memory_bytes=_MEMORY_BYTES,
        ) as called:
            read = msgspec.convert(called.answer, _Read)
    finally:
        await asyncio.to_thread(file.unlink, missing_ok=True)
    if read.error is not None:
        raise ValueError(read.error)
    await objects.put_bytes(beside, msgspec.json.encode(read.variables))
    return tuple(read.variables)


async def find_module(catalog: Catalog, name: str) -> ModuleDocument:
    """The module of this name. Raises NotFound."""
    found = await catalog.get(MODULE, name)
    if found is None:
        raise NotFound(f"there is no module {name[:130]!r} in the settings")
    return msgspec.json.decode(found.document, type=ModuleDocument)


async def list_modules(catalog: Catalog) -> list[ModuleDocument]:
    """All modules, by name."""
    found = await catalog.find(MODULE, limit=500)
    documents = [msgspec.json.decode(one.document, type=ModuleDocument) for one in found]
    return sorted(documents, key=lambda one: one.pin.name)
