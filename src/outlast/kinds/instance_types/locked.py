"""Reads XML that somebody else made. Runs in a locked child."""

from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import msgspec

from outlast.kinds.instance_types.described import read_described
from outlast.kinds.instance_types.published import BadFile
from outlast.operations.errors import Fatal

_INTEGER_DIGITS_MAX: Final = 15
_ITEM: Final = "Item"
_SET: Final = "InstanceTypeSet"


def read_pages(arguments: bytes, workdir: Path) -> Any:
    """The instance types of the named files, answers of DescribeInstanceTypes. Raises Fatal."""
    described: list[Any] = []
    try:
        for name in msgspec.json.decode(arguments, type=list[str]):
            root = ET.fromstring((workdir / name).read_bytes())  # noqa: S314  in a locked child
            described += _plain(root).get(_SET) or []
        types = read_described(msgspec.json.encode({"InstanceTypes": described}))
    except (ET.ParseError, BadFile, AttributeError, TypeError) as error:
        raise Fatal("unexpected_answer", f"AWS would not answer so: {error}") from error
    return msgspec.to_builtins(types)


def _plain(element: ET.Element) -> Any:
    """An element as the JSON that the other protocols of AWS would have for it."""
    if not len(element):
        return _value(element.text or "")
    if all(_name(one) == _ITEM for one in element):
        return [_plain(one) for one in element]
    return {_name(one): _plain(one) for one in element}


def _name(element: ET.Element) -> str:
    name = element.tag.rpartition("}")[2]
    return name[:1].upper() + name[1:]


def _value(text: str) -> str | int:
    return (
        int(text)
        if text.isascii() and text.isdecimal() and len(text) <= _INTEGER_DIGITS_MAX
        else text
    )
