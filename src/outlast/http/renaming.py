"""A dialect's requests are complained of in their own words."""

import contextlib
import re
from collections.abc import Callable, Iterator

from outlast.operations.errors import OutlastError


@contextlib.contextmanager
def renaming(wire_path: Callable[[str], str]) -> Iterator[None]:
    """What is complained of are the fields of the request, in place of those of the spec."""
    try:
        yield
    except OutlastError as error:
        for path in error.field_errors:
            if re.match(rf"{re.escape(path)}\b", error.message):
                error.message = wire_path(path) + error.message.removeprefix(path)
        error.field_errors = {wire_path(path): why for path, why in error.field_errors.items()}
        raise
