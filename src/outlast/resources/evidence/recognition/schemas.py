"""The schemas that evidence is held to, and what it does not keep of them.

Those of CycloneDX are its makers'. The others are ours, written from the specifications: they ask
for the structure and the words, not for every detail.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from itertools import islice
from typing import Any, Final

import jsonschema_rs

from outlast.resources.evidence.model import EvidenceType
from outlast.resources.evidence.recognition.found import (
    PATH_CHARS_MAX,
    PROBLEMS_MAX,
    Locate,
    Problem,
)
from outlast.resources.evidence.recognition.json_text import escape

_CYCLONEDX: Final = "cyclonedx.schema._res"
_CYCLONEDX_VERSIONS: Final = ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")
_OURS: Final = "outlast.resources.evidence.recognition.schemas_of_ours"
_MESSAGE_CHARS_MAX: Final = 300
_BACKTRACKS_MAX: Final = 100_000


def _read_all() -> Mapping[str, bytes]:
    """The texts of all schemas by the names of their files."""
    found = [one for package in (_CYCLONEDX, _OURS) for one in files(package).iterdir()]
    return {one.name: one.read_bytes() for one in found if one.name.endswith(".json")}


# Read with the module: a child that is locked opens no file any more.
_TEXTS: Final = _read_all()


def cyclonedx_schema(version: str) -> dict[str, Any]:
    """The schema of a version; of the nearest, where there is none."""
    # Versions 1.0 and 1.1 had XML only, and what they had is still there.
    older = version in {"1.0", "1.1"}
    nearest = version if version in _CYCLONEDX_VERSIONS else _CYCLONEDX_VERSIONS[-1]
    return _load(f"bom-{'1.2' if older else nearest}.SNAPSHOT.schema.json")


def find_problems(
    type_: EvidenceType, version: str | None, document: Any, locate_all: Locate
) -> list[Problem]:
    """What the format does not allow, at most PROBLEMS_MAX; each with its place if it has one."""
    schema = _schema(type_, version)
    if schema is None:
        return []
    validator = jsonschema_rs.validator_for(
        schema,
        retriever=_retrieve,
        pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKS_MAX),
    )
    found = [
        (_pointer(error.instance_path), _shortened(error.message))
        for error in islice(validator.iter_errors(document), PROBLEMS_MAX)
    ]
    places = locate_all({path for path, _ in found})
    unknown = _unknown_version(type_, version)
    return [*([] if unknown is None else [Problem(message=unknown)])] + [
        Problem(
            message=message,
            path=path if len(path) <= PATH_CHARS_MAX else None,
            line=places[path].line if path in places else None,
            column=places[path].column if path in places else None,
        )
        for path, message in found
    ]


def _schema(type_: EvidenceType, version: str | None) -> dict[str, Any] | None:
    match type_:
        case "cyclonedx":
            return cyclonedx_schema(version or "")
        case "spdx":
            is_newer = (version or "").startswith("3")
            return _load("spdx-3.json" if is_newer else "spdx-2.json")
        case "sarif" | "in_toto" | "openvex" | "csaf":
            return _load(f"{type_}.json")
        case _:
            return None


def _unknown_version(type_: EvidenceType, version: str | None) -> str | None:
    known = {
        "cyclonedx": ("1.0", "1.1", *_CYCLONEDX_VERSIONS),
        "spdx": ("2.0", "2.1", "2.2", "2.3", "3.0", "3.0.0", "3.0.1"),
    }.get(type_)
    if known is None or version in known:
        return None
    return f"{version} is no version of {type_} that is known here: it was checked as {known[-1]}"


def _load(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(_TEXTS[name])
    return schema


def _retrieve(uri: str) -> dict[str, Any]:
    # No schema comes from anywhere else than the package.
    return _load(uri.rpartition("/")[2])


def _pointer(path: list[str | int]) -> str:
    return "".join(f"/{escape(str(step))}" for step in path)


def _shortened(message: str) -> str:
    if len(message) <= _MESSAGE_CHARS_MAX:
        return message
    half = _MESSAGE_CHARS_MAX // 2
    return f"{message[:half]} ... {message[-half:]}"
