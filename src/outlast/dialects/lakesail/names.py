"""Names of fields: ours have underscores, those of the wire have not.

The variables of a network's or a cluster's module are its configuration, but for some that have
places of their own.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NAME: Final = "name"
REGION: Final = "region"
NETWORK: Final = "network_id"
NETWORK_OUTPUTS: Final = "network_outputs"

_VARIABLES: Final = "variables"
_PLACES: Final[Mapping[str, str]] = MappingProxyType(
    {NAME: "name", REGION: "region", NETWORK: "networkId", NETWORK_OUTPUTS: "networkId"}
)
PLACED: Final = frozenset(_PLACES)
"""Variables that have places of their own."""


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


def deployment_path(path: str, word: str) -> str:
    """What a field of a deployment is called in a request for a stack of a word."""
    if word == "stack":
        return renamed(path, _DEPLOYMENT)
    field, _, rest = path.partition(".")
    if field == _VARIABLES and rest in PLACED:
        return _PLACES[rest]
    return renamed(path, _DEPLOYMENT | {_VARIABLES: "config"})


_DEPLOYMENT: Final = {"connection": "connectionId"}
_UNDERSCORE: Final = re.compile(r"_(\w)")
_UPPER: Final = re.compile(r"[A-Z]")
_FIRST: Final = re.compile(r"\w+")
