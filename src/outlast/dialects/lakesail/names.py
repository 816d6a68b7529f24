"""Names of fields: ours have underscores, those of the wire have not."""

import re
from collections.abc import Mapping
from typing import Final


def to_camel(name: str) -> str:
    """A name of ours as the wire writes it."""
    return _UNDERSCORE.sub(lambda found: found[1].upper(), name)


def to_snake(name: str) -> str:
    """A name of the wire as we write it."""
    return _UPPER.sub(lambda found: f"_{found[0].lower()}", name)


def renamed(path: str, names: Mapping[str, str]) -> str:
    """A path of a spec whose first step is called otherwise; names that are not there are camels.

    What comes behind the first step are the caller's own words.
    """
    found = _FIRST.match(path)
    if found is None:
        return path
    return (names.get(found[0]) or to_camel(found[0])) + path[found.end() :]


_UNDERSCORE: Final = re.compile(r"_(\w)")
_UPPER: Final = re.compile(r"[A-Z]")
_FIRST: Final = re.compile(r"\w+")
