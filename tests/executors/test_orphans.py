"""In processes of their own: what a subreaper inherits would otherwise come to the test run."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper (Linux)")

START = """
import os, subprocess, sys, time
from outlast.executors import orphans
if sys.argv[1] == "subreaper":
    orphans.become_subreaper()
older = subprocess.Popen(["sleep", "60"], start_new_session=True)
time.sleep(0.02)
guard_started = orphans.start_ticks(older.pid) + 1
ours = subprocess.Popen(["sleep", "60"])
orphan = int(subprocess.check_output(
    [sys.executable, "-c", '''
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
print(os.getpid(), flush=True)
os.closerange(0, 3)
time.sleep(60)
''']))
orphans.end_orphans(guard_started)
def alive(pid):
    return os.path.exists(f"/proc/{pid}/exe") and os.access(f"/proc/{pid}/exe", os.R_OK)
print(alive(older.pid), alive(ours.pid), alive(orphan))
for process in (older, ours):
    process.kill()
    process.wait()
if alive(orphan):
    os.kill(orphan, 9)
"""


def run(mode):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", START, mode]
    return subprocess.check_output(command, env=environment, text=True).split()


def test_a_subreaper_ends_what_it_inherited_and_nothing_of_its_own():
    assert run("subreaper") == ["True", "True", "False"]


def test_a_process_that_is_no_subreaper_ends_nothing():
    assert run("plain") == ["True", "True", "True"]
