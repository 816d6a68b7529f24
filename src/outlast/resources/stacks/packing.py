"""Packing the modules of the settings when a server starts: every attempt has the same files.

A packed module is an object that is called by the hash of its content. What variables it has is
read from it in a locked child, once for each content, and kept beside it.
"""

import asyncio
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from outlast.executors.calls import Sandbox
from outlast.operations.errors import NotFound
from outlast.resources.objects import ObjectStore
from outlast.resources.stacks.model import ModulePin
from outlast.resources.stacks.modules import MODULES_PREFIX, ModuleDocument, Variable
from outlast.settings import ModuleSettings, SettingsError

MODULE_BYTES_MAX: Final = 16 * 1024 * 1024
FILES_MAX: Final = 10_000
READING: Final = "outlast.resources.stacks.locked:read_variables"
_SECONDS: Final = 120.0
_MEMORY_BYTES: Final = 1024**3
_LEFT_OUT: Final = frozenset(
    {
        *(".terraform", ".git", "terraform.tfstate", "terraform.tfstate.backup"),
        *("terraform.tfstate.d", "errored.tfstate", "crash.log"),
    },
)
"""What the tool, or its users, leave in a module's folder and is not of it."""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What was read from a module: its variables, or why it cannot be read."""

    variables: tuple[Variable, ...] = ()
    error: str | None = None


async def pack_modules(
    modules: Mapping[str, ModuleSettings], objects: ObjectStore, sandbox: Sandbox, spool: Path
) -> dict[str, ModuleDocument]:
    """Store the modules of the settings, and what is known of them. Raises SettingsError."""
    contents: dict[str, bytes] = {}
    for name, module in modules.items():
        try:
            contents[name] = await asyncio.to_thread(pack_folder, module.path)
        except (OSError, ValueError) as error:
            raise SettingsError(f"modules.{name}: {error}") from error
    keys = {name: _key(content) for name, content in contents.items()}
    for name, content in contents.items():
        if not await objects.touch(keys[name]):
            await objects.put_bytes(keys[name], content)
    known = {name: await _kept(key, objects) for name, key in keys.items()}
    unknown = {name: content for name, content in contents.items() if known[name] is None}
    if unknown:
        known |= await _read(unknown, objects, sandbox, spool)
    return {
        name: _document(name, module, keys[name], known[name] or ())
        for name, module in modules.items()
    }


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


def _key(content: bytes) -> str:
    return f"{MODULES_PREFIX}{hashlib.sha256(content).hexdigest()}"


def _beside(key: str) -> str:
    return f"{key}.variables"


def _document(
    name: str, module: ModuleSettings, key: str, variables: tuple[Variable, ...]
) -> ModuleDocument:
    pin = ModulePin(
        name=name, key=key, environment=module.environment, timeout_seconds=module.timeout_seconds
    )
    return ModuleDocument(
        word=module.word, description=module.description, pin=pin, variables=variables
    )


async def _kept(key: str, objects: ObjectStore) -> tuple[Variable, ...] | None:
    """What is kept beside a module, if anything is."""
    try:
        kept = b"".join([chunk async for chunk in objects.read(_beside(key))])
    except NotFound:
        return None
    await objects.touch(_beside(key))
    return msgspec.json.decode(kept, type=tuple[Variable, ...])


async def _read(
    contents: Mapping[str, bytes], objects: ObjectStore, sandbox: Sandbox, spool: Path
) -> dict[str, tuple[Variable, ...]]:
    """Have a child read all of them: that it learns to read takes a second. Keeps what it says."""
    names = list(contents)
    with tempfile.TemporaryDirectory(dir=spool) as folder:
        files = {f"{number}.tar": Path(folder, str(number)) for number in range(len(names))}
        for name, file in zip(names, files.values(), strict=True):
            await asyncio.to_thread(file.write_bytes, contents[name])
        arguments = msgspec.json.encode(list(files))
        async with sandbox(
            READING,
            arguments,
            inputs=files,
            timeout_seconds=_SECONDS,
            memory_bytes=_MEMORY_BYTES,
            preload=("hcl2",),
        ) as called:
            answers = msgspec.convert(called.answer, list[Read])
    found: dict[str, tuple[Variable, ...]] = {}
    for name, answer in zip(names, answers, strict=True):
        if answer.error is not None:
            raise SettingsError(f"modules.{name}: {answer.error}")
        found[name] = answer.variables
        await objects.put_bytes(
            _beside(_key(contents[name])), msgspec.json.encode(answer.variables)
        )
    return found
