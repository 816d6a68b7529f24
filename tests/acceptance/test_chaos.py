"""A short round of chaos in every test run; `make chaos` is the long one."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.acceptance
def test_a_dozen_kills_break_no_promise():
    done = subprocess.run(
        [sys.executable, HERE / "chaos.py", "--kills", "12", "--seconds", "15", "--brief"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
