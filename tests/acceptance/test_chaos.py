"""A short round of chaos in every test run; `make chaos` is the long one."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.acceptance
@pytest.mark.parametrize(
    "wanted",
    [
        ["--kills", "12", "--seconds", "15"],
        ["--kills", "2", "--seconds", "6", "--database", "postgres", "--database-restarts", "2"],
    ],
    ids=["a_dozen_kills", "restarts_of_the_database"],
)
def test_chaos_breaks_no_promise(wanted):
    done = subprocess.run(
        [sys.executable, HERE / "chaos.py", "--brief", *wanted],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
