"""YAML as the values of JSON: no types of its own, and aliases that cannot grow without bound."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import yaml
from yaml.reader import Reader

from outlast.resources.evidence.recognition.found import (
    DEPTH_MAX,
    BadEvidence,
    Location,
    Read,
)
from outlast.resources.evidence.recognition.json_text import (
    escape,
    has_null,
    location_of,
    too_deep,
)

_VALUES_MAX: Final = 500_000
_TAG: Final = "tag:yaml.org,2002:"
_WORDS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def read_yaml(text: str) -> Read:
    """What a text of YAML says: one document, or a list of several. Raises BadEvidence."""
    if found := Reader.NON_PRINTABLE.search(text):
        message = f"this is not YAML: the character {found.group()!r} is not allowed"
        raise BadEvidence(message, location_of(text, found.start()))
    builder = _Builder()
    try:
        _check_events(text)
        nodes = list(yaml.compose_all(text, Loader=yaml.CSafeLoader))
        documents = [builder.build(node, "") for node in nodes]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = None if mark is None else _location(mark)
        raise BadEvidence(f"this is not YAML: {error.problem or error.context}", where) from error
    except yaml.YAMLError as error:
        raise BadEvidence(f"this is not YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise too_deep() from error
    if len(documents) == 1:
        return Read(document=documents[0], locate_all=_Places(nodes[0]).locate_all, is_yaml=True)
    # Of several documents, each is an element of a list.
    return Read(document=documents, is_yaml=True)


def _check_events(text: str) -> None:
    """Refuse what is too deep or too much before anything is made of it."""
    depth = values = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        values += isinstance(event, yaml.NodeEvent)
        if depth > DEPTH_MAX:
            raise too_deep(_location(event.start_mark))
        if values > _VALUES_MAX:
            raise _too_many(_location(event.start_mark))


def _too_many(where: Location) -> BadEvidence:
    return BadEvidence(f"it has more than {_VALUES_MAX} values, with its aliases", where)


def _location(mark: Any) -> Location:
    return Location(line=mark.line + 1, column=mark.column + 1)


class _Builder:
    """Makes values of nodes. An alias is a value of its own each time: what it costs is counted."""

    def __init__(self) -> None:
        self._left = _VALUES_MAX

    def build(self, node: Any, path: str, depth: int = 0) -> Any:
        where = _location(node.start_mark)
        # A long text counts for more: whoever writes it out writes it for each alias.
        self._left -= 1 + (len(node.value) if isinstance(node, yaml.ScalarNode) else 0) // 16
        if self._left < 0:
            raise _too_many(where)
        # A value that contains itself ends here too.
        if depth > DEPTH_MAX:
            raise too_deep(where)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(one, path, depth + 1) for one in node.value]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        return _scalar(node, where)

    def _mapping(self, node: Any, path: str, depth: int) -> dict[str, Any]:
        built = dict[str, Any]()
        for key, value in node.value:
            where = _location(key.start_mark)
            if not isinstance(key, yaml.ScalarNode):
                raise BadEvidence("a key is a text, not a list or a mapping", where)
            if "\0" in key.value:
                raise has_null(where)
            if key.value in built:
                raise BadEvidence(f"the key {key.value!r} stands twice in one mapping", where)
            built[key.value] = self.build(value, path, depth + 1)
        return built


def _scalar(node: Any, where: Location) -> Any:
    tag, text = node.tag.removeprefix(_TAG), node.value
    if "\0" in text:
        raise has_null(where)
    try:
        match tag:
            case "null":
                return None
            case "bool":
                return _WORDS[text.lower()]
            case "int":
                return _integer(text)
            case "float":
                return _float(text)
            case _:
                # Dates, binaries and tags of others stay the texts that they are written as.
                return text
    except (ValueError, KeyError) as error:
        raise BadEvidence(f"{text[:100]!r} is not of the type {tag}", where) from error


def _integer(text: str) -> int | float | str:
    try:
        number = int(text.replace("_", ""), 0)
    except ValueError:
        return text  # 010 and 1:30 are numbers to some readers, and texts to others
    return number if abs(number) < 1 << 63 else float(number)


def _float(text: str) -> float | str:
    try:
        number = float(text.replace("_", ""))
    except ValueError:
        return text  # .inf and .nan are not of JSON
    return text if number != number or abs(number) == float("inf") else number  # noqa: PLR0124


class _Places:
    """Where the values of a document are. Each mapping is looked through once."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._values: dict[int, Mapping[str, Any]] = {}

    def locate_all(self, paths: Collection[str]) -> Mapping[str, Location]:
        found = dict[str, Location]()
        for path in paths:
            node = self._find(path)
            if node is not None:
                found[path] = _location(node.start_mark)
        return found

    def _find(self, path: str) -> Any:
        node = self._root
        for step in path.split("/")[1:]:
            if isinstance(node, yaml.SequenceNode):
                is_there = step.isdecimal() and int(step) < len(node.value)
                node = node.value[int(step)] if is_there else None
            elif isinstance(node, yaml.MappingNode):
                node = self._values_of(node).get(step)
            else:
                return None
        return node

    def _values_of(self, mapping: Any) -> Mapping[str, Any]:
        # Nodes live as long as their root: no two of them have the same id.
        values = self._values.get(id(mapping))
        if values is None:
            values = {escape(key.value): value for key, value in mapping.value}
            self._values[id(mapping)] = values
        return values
