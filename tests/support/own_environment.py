"""Virtual environments of their own for what does not fit beside everything else, made once."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def own_python(name, requirements):
    """The interpreter of `.venv-heavy-NAME`, which has what a file of hashed pins names.

    It is made first if it is not there, or has other pins; by one process, the others wait.
    """
    environment = ROOT / f".venv-heavy-{name}"
    python, stamp = environment / "bin" / "python", environment / ".ready"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    with (ROOT / f".venv-heavy-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(environment, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", requirements], check=True)
            stamp.write_text(wanted)
    return python
