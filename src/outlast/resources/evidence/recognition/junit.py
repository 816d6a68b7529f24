"""JUnit's XML as suites and their cases.

There is no schema that all writers follow: what is asked of it is what every reader needs.
"""

from typing import Any, Final

from outlast.resources.evidence.recognition.found import Location, Problem, Read
from outlast.resources.evidence.recognition.xml_text import Element

ROOTS: Final = ("testsuites", "testsuite")
_COUNTS: Final = ("tests", "failures", "errors", "skipped")
_OUTCOMES: Final = {"failure": "failed", "error": "error", "skipped": "skipped"}
_TEXT_CHARS_MAX: Final = 2000


def read_junit(root: Element) -> tuple[Read, list[Problem]]:
    """The suites below an element of ROOTS, nested ones after those that they are in."""
    reading = _Reading()
    reading.read(root)
    document: dict[str, Any] = {"testsuites": reading.suites}
    if root.name == "testsuites" and "name" in root.attributes:
        document["name"] = root.attributes["name"]
    places = reading.places
    return (
        Read(
            document=document,
            locate_all=lambda paths: {
                path: place for path in paths if (place := _nearest(path, places))
            },
        ),
        reading.problems,
    )


def _nearest(path: str, places: dict[str, Location]) -> Location | None:
    """Where the case or the suite begins that a value belongs to."""
    while path:
        if path in places:
            return places[path]
        path = path.rpartition("/")[0]
    return None


class _Reading:
    def __init__(self) -> None:
        self.suites: list[dict[str, Any]] = []
        self.places: dict[str, Location] = {}
        self.problems: list[Problem] = []

    def read(self, root: Element) -> None:
        for element in root.walk():
            if element.name == "testsuite":
                self._suite(element)

    def _suite(self, element: Element) -> None:
        path = f"/testsuites/{len(self.suites)}"
        self.places[path] = element.location
        given = element.attributes
        suite: dict[str, Any] = {"name": given.get("name", "")}
        suite |= {key: given[key] for key in ("timestamp", "hostname", "package") if key in given}
        suite["time"] = self._number(element, "time", path)
        cases = [one for one in element.children if one.name == "testcase"]
        suite["testcases"] = [
            self._case(case, f"{path}/testcases/{index}") for index, case in enumerate(cases)
        ]
        has_suites = any(one.name == "testsuite" for one in element.children)
        for name in _COUNTS:
            suite[name] = _count(name, suite["testcases"])
            told = self._number(element, name, path)
            # The counts of a suite may be with those of the suites in it.
            if told is not None and told != suite[name] and not has_suites:
                self._tell(element, path, f"it says {told:g} {name}, and has {suite[name]}")
        self.suites.append(suite)

    def _case(self, element: Element, path: str) -> dict[str, Any]:
        self.places[path] = element.location
        given = element.attributes
        if not given.get("name"):
            self._tell(element, path, "a test case has no name")
        case: dict[str, Any] = {
            "name": given.get("name", ""),
            "classname": given.get("classname", ""),
            "time": self._number(element, "time", path),
            "status": "passed",
        }
        for child in element.children:
            outcome = _OUTCOMES.get(child.name)
            # The first word counts, but an error in the teardown of a test that failed is not lost.
            if outcome is None or case["status"] in {"failed", "error"}:
                continue
            case["status"] = outcome
            case["message"] = child.attributes.get("message", "")[:_TEXT_CHARS_MAX]
            case["type"] = child.attributes.get("type", "")[:_TEXT_CHARS_MAX]
            case["text"] = child.text.strip()[:_TEXT_CHARS_MAX]
        return case

    def _number(self, element: Element, name: str, path: str) -> float | None:
        text = element.attributes.get(name)
        if text is None:
            return None
        try:
            number = float(text.replace(",", ""))
        except ValueError:
            number = -1.0
        if not 0 <= number < float("inf"):
            self._tell(element, path, f"its {name} is no number: {text[:50]!r}")
            return None
        return number

    def _tell(self, element: Element, path: str, message: str) -> None:
        where = element.location
        self.problems.append(
            Problem(message=message, path=path, line=where.line, column=where.column)
        )


def _count(name: str, cases: list[dict[str, Any]]) -> int:
    if name == "tests":
        return len(cases)
    status = {"failures": "failed", "errors": "error", "skipped": "skipped"}[name]
    return sum(case["status"] == status for case in cases)
