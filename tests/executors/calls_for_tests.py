"""Functions that are called in locked children."""

import os
import time
from pathlib import Path
from typing import Any

from outlast.operations.progress import Report


def turn_around(arguments: bytes, workdir: Path) -> Any:
    turned = (workdir / "in").read_text()[::-1]
    (workdir / "out").write_text(turned)
    return {"arguments": arguments.decode(), "turned": turned}


def report(arguments: bytes, workdir: Path, tell: Any) -> Any:
    for number in range(3):
        tell(Report(done=number))
    return "done"


def fail(arguments: bytes, workdir: Path) -> Any:
    raise ValueError("bad bytes")


def die(arguments: bytes, workdir: Path) -> Any:
    os.abort()


def sleep(arguments: bytes, workdir: Path) -> Any:
    time.sleep(60)


def eat(arguments: bytes, workdir: Path) -> Any:
    return len(bytearray(1 << 30))


def babble(arguments: bytes, workdir: Path) -> Any:
    os.write(1, b"x" * (1 << 20))
    return True


def read(arguments: bytes, workdir: Path) -> Any:
    try:
        return Path(arguments.decode()).read_text()
    except OSError as error:
        return type(error).__name__
