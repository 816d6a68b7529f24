"""What the tests of datasets, and of kinds that use them, have in common."""

from pathlib import Path

import msgspec

from outlast.engine import Principal, Role
from outlast.resources.datasets import Manifest
from outlast.resources.datasets.parsing import parse


class ManualClock:
    """A clock that goes on by a millisecond at every look, and by days when it is told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000_000

    def __call__(self) -> int:
        self.now += 1000
        return self.now


def principal(member: str, role: Role = Role.SUBMITTER, tenant: str = "default") -> Principal:
    return Principal(tenant=tenant, member=member, role=role)


async def stream(content: bytes, size: int = 1000):
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def gather(chunks) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def parsed(folder: Path, content: bytes, format: str, columns=None, **limits: int):
    """What `parse` answers for some bytes, called here and not in a child."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "upload").write_bytes(content)
    arguments = {"file": "upload", "format": format, "columns": columns, "limits": limits}
    return parse(msgspec.json.encode(arguments), folder)


def manifest_of(answer):
    return msgspec.convert(answer["manifest"], Manifest)
