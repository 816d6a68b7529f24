"""What is asked of a locked child about a module: which variables it has."""

import tarfile
from pathlib import Path
from typing import Any, Final

import hcl2
import msgspec
from lark.exceptions import LarkError

from outlast.resources.stacks.modules import MODULE_FILE

_TEXT_CHARS_MAX: Final = 2000


def read_variables(_arguments: bytes, workdir: Path) -> dict[str, Any]:
    """The variables of the module's own files: {"variables"}, or {"error"}."""
    found: dict[str, dict[str, Any]] = {}
    with tarfile.open(workdir / MODULE_FILE) as archive:
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
