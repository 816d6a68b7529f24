"""The instance types that an account of AWS tells of itself, page by page."""

import re
from pathlib import Path
from typing import Final

import msgspec

from outlast.kinds.connections.aws import Account, ask
from outlast.kinds.instance_types.published import InstanceType
from outlast.kinds.locked_children import LockedChildren, Reading, locked_children
from outlast.operations.errors import Fatal
from outlast.operations.kind import Context

PAGES_MAX: Final = 100
PAGE_BYTES_MAX: Final = 8 * 1024**2
_BYTES_MAX: Final = 64 * 1024**2
_PAGE_TYPES: Final = 100
_TOKEN: Final = re.compile(rb"<nextToken>([!-;=?-~]{1,4096})</nextToken>")
_TARGET: Final = "outlast.kinds.instance_types.locked:read_pages"
_READING: Final = Reading(
    what="the pages of instance types",
    failures=("unexpected_answer",),
    died="reader_died",
    memory_bytes=1024**3,
)


async def ask_for_types(
    account: Account, context: Context, *, allow_unsandboxed: bool
) -> tuple[InstanceType, ...]:
    """The types that are offered in the account's region. Raises Fatal, Retry, Unavailable."""
    pages: dict[str, Path] = {}
    form = {"Action": "DescribeInstanceTypes", "Version": "2016-11-15"}
    token: str | None = ""
    left = _BYTES_MAX
    while token is not None:
        if len(pages) == PAGES_MAX:
            raise Fatal("unexpected_answer", f"there are more than {PAGES_MAX} pages")
        asked = form | {"MaxResults": str(_PAGE_TYPES)} | ({"NextToken": token} if token else {})
        content = await ask(account, "ec2", asked, min(PAGE_BYTES_MAX, left))
        left -= len(content)
        name = f"page-{len(pages):03}.xml"
        pages[name] = context.workdir / name
        pages[name].write_bytes(content)
        context.report(len(pages) * _PAGE_TYPES, unit="instance types", stage="asking")
        found = _TOKEN.search(content)
        token = found[1].decode() if found else None
    reading = locked_children(context, _READING, allow_unsandboxed=allow_unsandboxed)
    async with reading as children:
        return await _read(children, pages, account.region)


async def _read(
    children: LockedChildren, pages: dict[str, Path], region: str
) -> tuple[InstanceType, ...]:
    try:
        async with children.call(_TARGET, sorted(pages), pages) as (answer, _):
            types = msgspec.convert(answer, tuple[InstanceType, ...])
    except msgspec.ValidationError as error:
        raise Fatal("unexpected_answer", f"the reader tells no instance types: {error}") from error
    return tuple(msgspec.structs.replace(one, regions=(region,)) for one in types)
