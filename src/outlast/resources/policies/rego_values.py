"""What a policy in Rego gives, node by node: for texts that its engine writes wrongly as JSON.

It keeps texts as they stand in JSON, and some of its functions forget it: `sprintf` leaves bare
quotes around what `concat` made.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from regopy import rego_shared as rego
from regopy.rego_shared import NodeKind

Node: TypeAlias = int
_ESCAPED: Final = re.compile(r'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})|["\\\x00-\x1f]')


def read_value(node: Node) -> Any:
    """The value of a node of a result. Raises ValueError for one that has none."""
    match rego.rego_node_type(node):
        case NodeKind.Array | NodeKind.Set:
            return [read_value(one) for one in _children(node)]
        case NodeKind.Object:
            pairs = [list(_children(item)) for item in _children(node)]
            return {str(read_value(key)): read_value(value) for key, value in pairs}
        case NodeKind.Term | NodeKind.Terms | NodeKind.Scalar:
            return read_value(next(_children(node)))
        case NodeKind.Null:
            return None
        case kind:
            return _read_scalar(kind, rego.rego_node_value(node))


def _read_scalar(kind: NodeKind, text: str) -> Any:
    match kind:
        case NodeKind.String:
            return json.loads(f'"{_ESCAPED.sub(_escaped, text)}"')
        case NodeKind.Int | NodeKind.Float | NodeKind.Boolean:
            return json.loads(text)
        case _:
            raise ValueError(f"{kind} is no value")


def _children(node: Node) -> Iterator[Node]:
    for index in range(rego.rego_node_size(node)):
        yield rego.rego_node_get(node, index)


def _escaped(found: re.Match[str]) -> str:
    match found[0]:
        case '"':
            return ""
        case "\\":
            return r"\\"
        case one if len(one) == 1:
            return f"\\u{ord(one):04x}"
        case one:
            return one
