"""All that the server asks of a locked child, in one module: a child that waits fits any call."""

from outlast.resources.datasets.parsing import parse, parse_body, parse_files
from outlast.resources.datasets.reading import export, read_rows

__all__ = ["export", "parse", "parse_body", "parse_files", "read_rows"]
