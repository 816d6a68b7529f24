"""JSON, strictly: what two readers could understand differently is refused."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any, Final

from outlast.resources.evidence.recognition.found import (
    DEPTH_MAX,
    BadEvidence,
    Location,
    Read,
)

_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],]|[^\s{}\[\],:"]+')
_NULL_CHARACTER: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_HALF_CHARACTER: Final = re.compile(r"\\u[dD][89a-fA-F]")
_INTEGER_CHARS_MAX: Final = 18
_LONG_INTEGER: Final = re.compile(rf"[0-9]{{{_INTEGER_CHARS_MAX}}}")


class _RepeatedKeyError(ValueError):
    pass


def read_json(text: str) -> Read:
    """What a text of JSON says. Raises BadEvidence."""
    try:
        document = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_number,
            parse_float=_float,
            # Only where it matters: most documents have many numbers, and none that is long.
            parse_int=_integer if _LONG_INTEGER.search(text) else None,
        )
    except json.JSONDecodeError as error:
        where = Location(line=error.lineno, column=error.colno)
        raise BadEvidence(f"this is not JSON: {error.msg}", where) from error
    except _RepeatedKeyError as error:
        raise BadEvidence(
            f"the key {str(error)!r} stands twice in one object", _second(text)
        ) from error
    except ValueError as error:
        raise BadEvidence(str(error), _first(text, str(error).partition(" ")[0])) from error
    except RecursionError as error:
        raise too_deep(_too_deep_at(text)) from error
    if _is_too_deep(document):
        raise too_deep(_too_deep_at(text))
    if null := _NULL_CHARACTER.search(text):
        # No result of an operation may have one, so no report could tell of it.
        raise has_null(location_of(text, null.end() - len(r"\u0000")))
    if half := _HALF_CHARACTER.search(text):
        _check_characters(document, text, half.start())
    return Read(document=document, locate_all=partial(_locate, text))


def too_deep(location: Location | None = None) -> BadEvidence:
    """It has more levels than are read."""
    return BadEvidence(f"nested deeper than {DEPTH_MAX} levels", location)


def has_null(location: Location) -> BadEvidence:
    """It has a character that ends texts elsewhere."""
    return BadEvidence("there is a null character in it", location)


def location_of(text: str, offset: int) -> Location:
    """The line and the column of a character."""
    before = text.rfind("\n", 0, offset)
    return Location(line=text.count("\n", 0, offset) + 1, column=offset - before)


def escape(key: str) -> str:
    """A key as one step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def _is_too_deep(document: Any) -> bool:
    """Whether it has too many levels for whoever walks it after us."""
    level = [document]
    for _ in range(DEPTH_MAX):
        level = [
            value
            for one in level
            if isinstance(one, dict | list)
            for value in (one.values() if isinstance(one, dict) else one)
            if isinstance(value, dict | list)
        ]
        if not level:
            return False
    return True


def _too_deep_at(text: str) -> Location | None:
    depth = 0
    for token in _TOKEN.finditer(text):
        first = token.group()[0]
        depth += (first in "{[") - (first in "}]")
        if depth > DEPTH_MAX:
            return location_of(text, token.start())
    return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _RepeatedKeyError(next(key for key, count in counts.items() if count > 1))
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not a number of JSON")


def _float(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(f"{text} is too large a number")
    return number


def _integer(text: str) -> int | float:
    # Others have 64 bits for it, and would refuse what we let pass.
    return int(text) if len(text) <= _INTEGER_CHARS_MAX else _float(text)


def _check_characters(document: Any, text: str, offset: int) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        message = "half of a character: a surrogate without its other half"
        raise BadEvidence(message, location_of(text, offset)) from error


def _first(text: str, word: str) -> Location | None:
    """Where something begins with a word for the first time."""
    for token in _TOKEN.finditer(text):
        if token.group().startswith(word):
            return location_of(text, token.start())
    return None


def _second(text: str) -> Location | None:
    """Where a key stands that its object has already."""
    seen = set[str]()
    for path, offset, is_key in _walk(text):
        if is_key:
            if path in seen:
                return location_of(text, offset)
            seen.add(path)
    return None


def _locate(text: str, paths: Collection[str]) -> Mapping[str, Location]:
    wanted, found = set(paths), dict[str, int]()
    if not wanted:
        return {}
    for path, offset, is_key in _walk(text):
        if not is_key and path in wanted and path not in found:
            found[path] = offset
            if len(found) == len(wanted):
                break
    lines = _Lines(text)
    return {path: lines.location(offset) for path, offset in sorted(found.items(), key=_by_offset)}


def _by_offset(found: tuple[str, int]) -> int:
    return found[1]


class _Lines:
    """Tells of offsets, each not before the last, in one walk over the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line = 1
        self._at = 0

    def location(self, offset: int) -> Location:
        self._line += self._text.count("\n", self._at, offset)
        self._at = offset
        return Location(line=self._line, column=offset - self._text.rfind("\n", 0, offset))


def _key(token: str) -> str:
    key: str = json.loads(token) if "\\" in token else token[1:-1]
    return key


def _walk(text: str) -> Iterator[tuple[str, int, bool]]:
    """Every key and value of valid JSON: its pointer, its offset, whether it is a key."""
    prefixes, counts = list[str](), list[int | None]()  # a count is None in an object
    path, awaits_key = "", False
    for token in _TOKEN.finditer(text):
        first, offset = token.group()[0], token.start()
        if first == ",":
            if counts[-1] is None:
                awaits_key = True
            else:
                counts[-1] += 1
                path = f"{prefixes[-1]}/{counts[-1]}"
        elif first in "}]":
            prefixes.pop()
            counts.pop()
            awaits_key = False
        elif awaits_key:
            path = f"{prefixes[-1]}/{escape(_key(token.group()))}"
            yield path, offset, True
            awaits_key = False
        else:
            yield path, offset, False
            if first in "{[":
                prefixes.append(path)
                counts.append(None if first == "{" else 0)
                awaits_key = first == "{"
                path = f"{path}/0"
