"""What is asked of a locked child about evidence."""

import importlib.util
from typing import Final

import msgspec

MODULE: Final = "outlast.resources.evidence.locked"
LOOK: Final = f"{MODULE}:look"
CONTENT: Final = "evidence"
"""The name of the file with the bytes."""

MEMORY_BYTES: Final = 1024**3
READERS: Final = ("cyclonedx-python-lib", "jsonschema-rs", "license-expression", "pyyaml")
"""The packages that read evidence: another release may see something else in it."""
NOT_INSTALLED: Final = "evidence needs the extra `policy`: pip install 'outlast[policy]'"
_NEEDED: Final = ("cyclonedx", "jsonschema_rs", "license_expression", "yaml")


class LookArguments(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the bytes before they are looked at."""

    name: str | None


def is_installed() -> bool:
    """Whether what reads evidence is here."""
    return all(importlib.util.find_spec(one) is not None for one in _NEEDED)
