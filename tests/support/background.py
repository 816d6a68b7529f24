"""Real servers as processes of their own, for tests: on the loopback interface, ended by pid."""

import os
import select
import signal
import socket
import subprocess
import sys
import time

# A run that is killed takes its servers with it: the kernel tells them when their parent dies.
_BOUND = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, int(sys.argv[1]), 0, 0, 0);"
    "os.execv(sys.argv[2], sys.argv[2:])"
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Background:
    """A process with its output in a file. It is killed, and waited for, at the latest by `end`."""

    def __init__(
        self, arguments, log, *, environment=None, stdout_piped=False, last_words=signal.SIGKILL
    ):
        self.log = log
        bound = [sys.executable, "-c", _BOUND, int(last_words)] if sys.platform == "linux" else []
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(argument) for argument in (*bound, *arguments)],
                env=environment or os.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if stdout_piped else output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self):
        return self._process.pid

    @property
    def has_ended(self):
        return self._process.poll() is not None

    def first_line(self, seconds):
        """What the process printed first; an end or a silence before that fails the test."""
        output = self._process.stdout
        ready, _, _ = select.select([output], [], [], seconds)
        line = output.readline() if ready else b""
        assert line, f"nothing was said within {seconds} s: {self.tail()}"
        return line

    def until(self, condition, seconds):
        """Wait until a condition holds; the end of the process or of the time fails the test."""
        end = time.monotonic() + seconds
        while not condition():
            assert self._process.poll() is None, f"it ended: {self.tail()}"
            assert time.monotonic() < end, f"not ready within {seconds} s: {self.tail()}"
            time.sleep(0.1)

    def tail(self):
        return self.log.read_text(errors="replace")[-2000:]

    def signal(self, number):
        self._process.send_signal(number)

    def end(self, grace_seconds=0.0):
        """Ask it to end where there is a grace, then kill it."""
        try:
            if grace_seconds:
                self._process.terminate()
                self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._process.kill()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
