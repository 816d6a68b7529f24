"""SPDX as tags and values, brought into its JSON form: documents, packages, files, relations."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from outlast.resources.evidence.recognition.found import BadEvidence, Location, Read

FIRST_TAG: Final = re.compile(r"\s*(?:#[^\n]*\n\s*)*SPDXVersion\s*:")
_LINE: Final = re.compile(r"([A-Za-z]+)\s*:\s*(.*)")
_OF_DOCUMENT: Final = {
    "SPDXVersion": "spdxVersion",
    "DataLicense": "dataLicense",
    "SPDXID": "SPDXID",
    "DocumentName": "name",
    "DocumentNamespace": "documentNamespace",
    "DocumentComment": "comment",
}
_OF_PACKAGE: Final = {
    "PackageName": "name",
    "SPDXID": "SPDXID",
    "PackageVersion": "versionInfo",
    "PackageFileName": "packageFileName",
    "PackageSupplier": "supplier",
    "PackageOriginator": "originator",
    "PackageDownloadLocation": "downloadLocation",
    "PackageHomePage": "homepage",
    "PackageSourceInfo": "sourceInfo",
    "PackageLicenseConcluded": "licenseConcluded",
    "PackageLicenseDeclared": "licenseDeclared",
    "PackageLicenseComments": "licenseComments",
    "PackageCopyrightText": "copyrightText",
    "PackageSummary": "summary",
    "PackageDescription": "description",
    "PackageComment": "comment",
    "PrimaryPackagePurpose": "primaryPackagePurpose",
}
_OF_FILE: Final = {
    "FileName": "fileName",
    "SPDXID": "SPDXID",
    "LicenseConcluded": "licenseConcluded",
    "FileCopyrightText": "copyrightText",
    "FileComment": "comment",
}


def read_spdx_tags(text: str) -> Read:
    """The JSON form of a document of tags and values. Raises BadEvidence."""
    reading = _Reading()
    for tag, value, line in _pairs(text):
        reading.take(tag, value, line)
    places = reading.places

    def locate_all(paths: Collection[str]) -> Mapping[str, Location]:
        found = {path: _nearest(path, places) for path in paths}
        return {path: place for path, place in found.items() if place is not None}

    return Read(document=reading.document, locate_all=locate_all)


def _pairs(text: str) -> Iterator[tuple[str, str, int]]:
    """Each tag with its value, which may go over several lines between <text> and </text>."""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.match(line.strip())
        if found is None:
            where = Location(line=number, column=1)
            raise BadEvidence("a line of SPDX is `Tag: value`", where)
        tag, value = found.group(1), found.group(2).strip()
        if value.startswith("<text>"):
            while "</text>" not in value:
                _, more = next(lines, (0, None))
                if more is None:
                    where = Location(line=number, column=1)
                    raise BadEvidence("a <text> is not closed", where)
                value += "\n" + more
            value = value.removeprefix("<text>").partition("</text>")[0]
        yield tag, value, number


class _Reading:
    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self.places: dict[str, Location] = {"": Location(line=1, column=1)}
        self._in: dict[str, Any] = self.document
        self._names: Mapping[str, str] = _OF_DOCUMENT
        self._path = ""

    def take(self, tag: str, value: str, line: int) -> None:
        match tag:
            case "PackageName":
                self._begin("packages", _OF_PACKAGE, line)
            case "FileName":
                self._begin("files", _OF_FILE, line)
            case "SnippetSPDXID" | "LicenseID" | "Annotator" | "Reviewer":
                # Of these only what policies ask for is kept: nothing.
                self._in, self._names, self._path = {}, {}, ""
        if tag in self._names:
            name = self._names[tag]
            self._in[name] = value
            self.places[f"{self._path}/{name}"] = Location(line=line, column=1)
        else:
            self._take_list(tag, value)

    def _begin(self, list_: str, names: Mapping[str, str], line: int) -> None:
        made = self.document.setdefault(list_, [])
        self._path = f"/{list_}/{len(made)}"
        self._in, self._names = {}, names
        made.append(self._in)
        self.places[self._path] = Location(line=line, column=1)

    def _take_list(self, tag: str, value: str) -> None:
        match tag:
            case "Creator":
                self._info().setdefault("creators", []).append(value)
            case "Created":
                self._info()["created"] = value
            case "PackageChecksum" | "FileChecksum":
                algorithm, _, checksum = value.partition(":")
                entry = {"algorithm": algorithm.strip(), "checksumValue": checksum.strip()}
                self._in.setdefault("checksums", []).append(entry)
            case "FilesAnalyzed":
                self._in["filesAnalyzed"] = value.lower() == "true"
            case "ExternalRef":
                words = [*value.split(maxsplit=2), "", "", ""]
                names = ("referenceCategory", "referenceType", "referenceLocator")
                self._in.setdefault("externalRefs", []).append(
                    dict(zip(names, words, strict=False))
                )
            case "Relationship":
                words = [*value.split(), "", "", ""]
                names = ("spdxElementId", "relationshipType", "relatedSpdxElement")
                related = dict(zip(names, words, strict=False))
                self.document.setdefault("relationships", []).append(related)

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = self.document.setdefault("creationInfo", {})
        return info


def _nearest(path: str, places: Mapping[str, Location]) -> Location | None:
    while path and path not in places:
        path = path.rpartition("/")[0]
    return places.get(path)
