"""A whole installation on its way to another database or another place for its bytes."""

from outlast.moving.archive import Archive, BrokenArchive
from outlast.moving.exporting import export_installation
from outlast.moving.importing import import_installation
from outlast.moving.installation import Installation, Moved, Report

__all__ = [
    "Archive",
    "BrokenArchive",
    "Installation",
    "Moved",
    "Report",
    "export_installation",
    "import_installation",
]
