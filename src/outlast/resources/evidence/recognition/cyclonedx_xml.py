"""CycloneDX as XML, brought into its JSON form along the JSON schema.

So one schema checks both, and policies see one form.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from outlast.resources.evidence.recognition.found import Location, Problem, Read
from outlast.resources.evidence.recognition.xml_text import Element

NAMESPACE: Final = "http://cyclonedx.org/schema/bom/"
_NAMES: Final = {"responses": "response", "content-type": "contentType"}
"""What is called otherwise in JSON."""

_AROUND: Final = {
    "copyright": {"text"},
    "data": {"classification", "dataflow"},
    "environmentVars": {"environmentVar", "value"},
    "versions": {"version"},
}
"""What stands in an element around a list, where an element of the list may have such a child."""


def read_cyclonedx(root: Element, schema: Mapping[str, Any]) -> tuple[Read, list[Problem]]:
    """The JSON form of a `bom` element, and what has no place in it."""
    for element in root.walk():
        # Others may put elements of their own anywhere.
        element.children = [one for one in element.children if one.namespace == root.namespace]
    reading = _Reading(schema)
    bom = reading.object(root, schema, "")
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": root.namespace.removeprefix(NAMESPACE),
        **bom,
    }
    places = reading.places

    def locate_all(paths: Collection[str]) -> Mapping[str, Location]:
        return {path: places[path] for path in paths if path in places}

    return Read(document=document, locate_all=locate_all), reading.problems


class _Reading:
    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._definitions = schema.get("definitions", {})
        self.places: dict[str, Location] = {}
        self.problems: list[Problem] = []

    def object(self, element: Element, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        self.places[path] = element.location
        properties = self._properties(schema)
        made = dict[str, Any]()
        for given, text in element.attributes.items():
            name = _NAMES.get(given, given)
            if name in properties:
                made[name] = self._scalar(text, properties[name])
                self.places[f"{path}/{name}"] = element.location
        for child in element.children:
            self._child(child, properties, made, path)
        if not element.children and element.text.strip():
            # The text of an element that has attributes.
            names = (element.name, "content", "value")
            made[next((one for one in names if one in properties), "value")] = element.text.strip()
        return made

    def _child(
        self, child: Element, properties: Mapping[str, Any], made: dict[str, Any], path: str
    ) -> None:
        name = _NAMES.get(child.name, child.name)
        if name == "dependency" and "dependsOn" in properties:
            made.setdefault("dependsOn", []).append(child.attributes.get("ref", ""))
            return
        if name not in properties:
            self._tell(child, path, "has no place here")
            return
        schema, below = properties[name], f"{path}/{name}"
        items = self._items(schema)
        is_list = items is not None and (name != "tools" or _only(child, "tool"))
        if not is_list:
            if name in made:
                self._tell(child, path, "stands there twice")
            made[name] = self._value(child, schema, below)
            if isinstance(made[name], str) and "flow" in properties:
                made |= child.attributes  # a flow of data says the direction with the class
            return
        self.places.setdefault(below, child.location)
        listed = made.setdefault(name, [])
        for one in self._elements(child, items or {}):
            listed.append(self._item(one, items or {}, f"{below}/{len(listed)}"))

    def _tell(self, element: Element, path: str, what: str) -> None:
        where = element.location
        message = f"the element {element.name[:100]!r} {what}"
        self.problems.append(
            Problem(message=message, path=path, line=where.line, column=where.column)
        )

    def _elements(self, child: Element, items: Mapping[str, Any]) -> list[Element]:
        """The elements of a list: below one around them, or each beside the last."""
        if child.children and {one.name for one in child.children} <= _AROUND.get(
            child.name, set()
        ):
            return child.children
        own = self._properties(items)
        is_alone = child.text.strip() or "ref" in child.attributes
        is_item = (is_alone and not child.children) or any(
            _NAMES.get(one.name, one.name) in own and one.name not in {"license", "expression"}
            for one in child.children
        )
        return [child] if is_item else child.children

    def _item(self, element: Element, schema: Mapping[str, Any], path: str) -> Any:
        properties = self._properties(schema)
        if {"license", "expression"} <= properties.keys() and element.name in properties:
            inner = properties[element.name]
            below = f"{path}/{element.name}"
            self.places[path] = element.location
            attributes = element.attributes if element.name == "expression" else {}
            return {element.name: self._value(element, inner, below), **attributes}
        return self._value(element, schema, path)

    def _value(self, element: Element, schema: Mapping[str, Any], path: str) -> Any:
        if self._properties(schema):
            return self.object(element, schema, path)
        self.places[path] = element.location
        text = element.text.strip() or element.attributes.get("ref", "")
        return self._scalar(text, schema)

    def _scalar(self, text: str, schema: Mapping[str, Any]) -> Any:
        """What does not fit its type stays text: the schema tells of it."""
        types = {one.get("type") for one in self._alternatives(schema)}
        if "boolean" in types and text in {"true", "false"}:
            return text == "true"
        if types & {"integer", "number"}:
            try:
                return int(text) if text.lstrip("-").isdecimal() else float(text)
            except ValueError:
                return text
        return text

    def _properties(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        found = dict[str, Any]()
        for one in self._alternatives(schema):
            for name, property_ in one.get("properties", {}).items():
                found.setdefault(name, property_)
        return found

    def _items(self, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        found = list[Any]()
        for one in self._alternatives(schema):
            if one.get("type") == "array":
                found.append({})
            if "items" in one:
                found += one["items"] if isinstance(one["items"], list) else [one["items"]]
        return {"anyOf": found} if found else None

    def _alternatives(
        self, schema: Mapping[str, Any], depth: int = 0
    ) -> Iterator[Mapping[str, Any]]:
        """Every schema that this one may stand for."""
        yield schema
        reference = schema.get("$ref", "")
        name = reference.removeprefix("#/definitions/")
        more = [self._definitions[name]] if name in self._definitions else []
        for word in ("allOf", "anyOf", "oneOf"):
            more += schema.get(word, [])
        for one in more if depth < 8 else []:  # noqa: PLR2004  as deep as any of the schemas
            yield from self._alternatives(one, depth + 1)


def _only(element: Element, name: str) -> bool:
    return bool(element.children) and all(one.name == name for one in element.children)
