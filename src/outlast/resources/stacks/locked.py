"""What is asked of a locked child about modules: which variables they have."""

import tarfile
from pathlib import Path
from typing import Any, Final

import hcl2
import msgspec
from lark.exceptions import LarkError

_TEXT_CHARS_MAX: Final = 2000


def read_variables(arguments: bytes, workdir: Path) -> list[dict[str, Any]]:
    """The variables of each of the named archives: {"variables"}, or {"error"}."""
    names = msgspec.json.decode(arguments, type=list[str])
    return [_read_archive(workdir / name) for name in names]


def _read_archive(path: Path) -> dict[str, Any]:
    """Only the module's own folder is looked at: the others are modules of their own."""
    found: dict[str, dict[str, Any]] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if "/" in member.name or not member.name.endswith((".tf", ".tf.json")):
                continue
            file = archive.extractfile(member)
            content = file.read() if file is not None else b""
            try:
                found.update(_declared(member.name, content))
            except (LarkError, msgspec.DecodeError, ValueError) as error:
                where = str(error).splitlines()[0] if str(error) else type(error).__name__
                return {"error": f"{member.name} cannot be read: {where[:500]}"}
    return {"variables": [_variable(name, found[name]) for name in sorted(found)]}


def _declared(name: str, content: bytes) -> dict[str, dict[str, Any]]:
    """The blocks `variable` of a file, by name."""
    if name.endswith(".json"):
        blocks = msgspec.json.decode(content).get("variable", {})
        blocks = blocks if isinstance(blocks, list) else [blocks]
    else:
        blocks = hcl2.loads(content.decode()).get("variable", [])
    return {_text(key): body for block in blocks for key, body in block.items()}


def _variable(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "type": _text(body.get("type", "")).removeprefix("${").removesuffix("}"),
        "description": _text(body.get("description", "")),
        "is_required": "default" not in body,
        "is_sensitive": body.get("sensitive") is True,
    }


def _text(value: Any) -> str:
    """A text of the module, without its quotes."""
    text = value if isinstance(value, str) else ""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text[:_TEXT_CHARS_MAX]
