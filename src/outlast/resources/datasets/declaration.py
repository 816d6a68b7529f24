"""What a caller declares of a dataset that it wants to be made. Pure."""

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from outlast.operations.errors import InvalidSpec
from outlast.resources.datasets import model
from outlast.resources.datasets.model import Column, DatasetDocument

TITLE_CHARS_MAX: Final = 255
FOLDER_CHARS_MAX: Final = 1024
COLUMNS_MAX: Final = 1000
_FOLDER: Final = re.compile(r"/(?:[^/\x00-\x1f\x7f]+/?)*")

DeclaredType = Literal["string", "int64", "double", "boolean", "json"]


class DeclaredColumn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A column as a caller declares it. Unless it is optional, no row may be without a value."""

    name: str
    type: DeclaredType
    is_optional: bool = False


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset to be made. Without `columns` they are what its rows turn out to have."""

    title: str
    folder: str = "/"
    project: str | None = None
    columns: tuple[DeclaredColumn, ...] | None = None

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that must have a value in every row."""
        return tuple(column.name for column in self.columns or () if not column.is_optional)

    def document(self, created_by: str) -> DatasetDocument:
        """What the catalog keeps of the dataset before there is a version. Raises InvalidSpec."""
        if self.columns is not None:
            check_columns(self.columns)
        return DatasetDocument(
            created_by=created_by,
            title=check_title(self.title),
            folder=check_folder(self.folder),
            project=check_project(self.project),
            columns=tuple(Column(column.name, column.type) for column in self.columns or ()),
            required=self.required,
        )


def check_title(title: str) -> str:
    """The title itself, if a dataset may have it. Raises InvalidSpec."""
    if not 1 <= len(title) <= TITLE_CHARS_MAX or not title.isprintable() or not title.strip():
        raise InvalidSpec(
            f"a dataset's name has 1 to {TITLE_CHARS_MAX} printable characters",
            field_errors={"name": f"has 1 to {TITLE_CHARS_MAX} printable characters"},
        )
    return title


def check_folder(folder: str) -> str:
    """The folder itself, if a dataset may be in it. Raises InvalidSpec."""
    if len(folder) > FOLDER_CHARS_MAX or not _FOLDER.fullmatch(folder):
        raise InvalidSpec(
            f"a folder is / or /SOME/FOLDER, with at most {FOLDER_CHARS_MAX} characters",
            field_errors={"folder": "is a path such as / or /some/folder"},
        )
    return folder.rstrip("/") or "/"


def check_project(project: str | None) -> str | None:
    """The project itself, if a dataset may belong to it. Raises InvalidSpec."""
    if project is not None and not (1 <= len(project) <= TITLE_CHARS_MAX and project.isprintable()):
        raise InvalidSpec(
            f"a project has 1 to {TITLE_CHARS_MAX} printable characters",
            field_errors={"project": "is not a project"},
        )
    return project


def check_columns(columns: Sequence[DeclaredColumn]) -> None:
    """Raise InvalidSpec unless a dataset can have columns like these."""
    seen: set[str] = set()
    if not 1 <= len(columns) <= COLUMNS_MAX:
        reason = f"has 1 to {COLUMNS_MAX} columns"
        raise InvalidSpec(f"a schema {reason}", field_errors={"columns": reason})
    for number, column in enumerate(columns):
        if not 1 <= len(column.name) <= model.COLUMN_NAME_CHARS_MAX:
            raise _wrong_name(number, f"the name has 1 to {model.COLUMN_NAME_CHARS_MAX} characters")
        if column.name in seen:
            raise _wrong_name(number, f"the name {column.name[:200]!r} appears twice")
        seen.add(column.name)


def _wrong_name(number: int, reason: str) -> InvalidSpec:
    return InvalidSpec(
        f"column {number + 1}: {reason}", field_errors={f"columns.{number}.name": reason}
    )
