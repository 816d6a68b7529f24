"""A folder of the worker's machine, below one that the settings allow."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from outlast.operations.errors import Fatal


def look_at_folder(settings: Mapping[str, str], allowed: Sequence[str]) -> dict[str, str]:
    """What the folder is, once a file could be written to it. Raises Fatal."""
    folder = Path(settings["folder"])
    # Where it really is: a link may lead out of what is allowed.
    real = Path(os.path.realpath(folder))
    if not any(real.is_relative_to(os.path.realpath(one)) for one in allowed):
        raise Fatal("folder_refused", f"{folder} is not below what connections.folders allows")
    if not real.is_dir():
        raise Fatal("missing", f"{folder} is not a folder of the machine that the worker runs on")
    try:
        with tempfile.TemporaryFile(dir=real):
            pass
    except OSError as error:
        raise Fatal("access_refused", f"{folder} cannot be written to: {error.strerror}") from error
    return {"folder": str(real)}
