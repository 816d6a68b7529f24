"""Files: named bytes that callers bring and that operations leave."""

from outlast.resources.files.collecting import FileCollector
from outlast.resources.files.library import EXPIRE_SECONDS_MAX, Files, check_file
from outlast.resources.files.model import (
    File,
    FileDocument,
    FilePart,
    NewFile,
    file_document,
    find_file,
    published_id,
)
from outlast.resources.files.publishing import FilePublisher

__all__ = [
    "EXPIRE_SECONDS_MAX",
    "File",
    "FileCollector",
    "FileDocument",
    "FilePart",
    "FilePublisher",
    "Files",
    "NewFile",
    "check_file",
    "file_document",
    "find_file",
    "published_id",
]
