"""XML without a document type, so without entities: elements, and where each of them stands."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.etree import ElementTree as ET
from xml.parsers import expat

from outlast.resources.evidence.recognition.found import DEPTH_MAX, BadEvidence, Location
from outlast.resources.evidence.recognition.json_text import too_deep

_ELEMENTS_MAX: Final = 500_000


@dataclass
class Element:
    """An element of XML: `name` is without its namespace."""

    name: str
    namespace: str
    attributes: dict[str, str]
    location: Location
    children: list["Element"] = field(default_factory=list)
    text: str = ""

    def walk(self) -> Iterator["Element"]:
        """This element and all below, in the order of the text."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting += reversed(element.children)

    def as_tree(self) -> ET.Element:
        """The same for libraries that want the standard one."""
        prefix = f"{{{self.namespace}}}" if self.namespace else ""
        made = ET.Element(prefix + self.name, self.attributes)
        made.text = self.text
        made.extend(child.as_tree() for child in self.children)
        return made


def read_xml(content: bytes) -> Element:
    """The root of an XML document. Raises BadEvidence."""
    reading = _Reading()
    try:
        reading.parser.Parse(content, True)  # noqa: FBT003  that is how it is told of the end
    except expat.ExpatError as error:
        where = Location(line=error.lineno, column=error.offset + 1)
        message = f"this is not XML: {expat.ErrorString(error.code)}"
        raise BadEvidence(message, where) from error
    except (LookupError, ValueError) as error:
        raise BadEvidence(f"this is not XML: {error}", reading.location()) from error
    return reading.root


class _Reading:
    root: Element

    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self._open: list[Element] = []
        self._left = _ELEMENTS_MAX

    def location(self) -> Location:
        parser = self.parser
        return Location(line=parser.CurrentLineNumber, column=parser.CurrentColumnNumber + 1)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition("}")
        element = Element(local, namespace, attributes, self.location())
        self._left -= 1
        if self._left < 0:
            raise BadEvidence(f"it has more than {_ELEMENTS_MAX} elements", element.location)
        if len(self._open) >= DEPTH_MAX:
            raise too_deep(element.location)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].text += text

    def _refuse(self, *_: object) -> None:
        raise BadEvidence("a document type (DOCTYPE) is not read", self.location())
