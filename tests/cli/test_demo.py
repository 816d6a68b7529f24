"""The demonstration, as a stranger would run it."""

import os
import re
import signal
import subprocess
import sys

import pytest

from outlast.demo import server as demo_server
from outlast.demo.queries import FLIGHTS
from outlast.demo.server import DemoServer, ServerDied
from outlast.demo.show import show


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-m", "outlast", "demo", "--keep", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def server_pid(line):
    return int(re.search(r"process (\d+)", line)[1])


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_demonstration_goes_as_it_should_and_leaves_nothing_running(tmp_path):
    with start(tmp_path / "demo") as process:
        text, _ = process.communicate(timeout=110)
    assert process.returncode == 0, text
    assert "336,776 rows" in text
    assert re.search(r"B6 +42076", text)
    assert "[invalid_spec]" in text
    assert "query_failed" in text
    assert "Cancelled after" in text
    assert "> POST /nebius/v1/operations" in text
    assert '"status":"succeeded"' in text.replace("\n", "")
    assert "All as it should be" in text
    assert f"--data {tmp_path / 'demo' / 'data'}" in text
    assert (tmp_path / "demo" / "data" / "admin-token").exists()
    assert not is_running(server_pid(text.replace("\n", " ")))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demonstration_that_is_interrupted_leaves_nothing_running(tmp_path, number):
    with start(tmp_path / "demo") as process:
        for line in process.stdout:
            if "process" in line:
                pid = server_pid(line)
                break
        assert is_running(pid)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert not is_running(pid)


def test_a_folder_that_is_in_use_is_left_alone(bare, tmp_path):
    (tmp_path / "mine").write_text("precious")
    ended = bare("demo", "--keep", tmp_path)
    assert ended.code == 2
    assert "not empty" in ended.errors
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_is_not_as_it_should_be_shows_the_servers_log(monkeypatch, tmp_path, capfd):
    def refuse(self):
        raise ServerDied("it did not want to")

    monkeypatch.setattr(DemoServer, "_first_line", refuse)
    before = signal.getsignal(signal.SIGINT)
    assert show(tmp_path / "demo") == 1
    assert signal.getsignal(signal.SIGINT) is before
    printed = capfd.readouterr().out
    assert "not as it should be: it did not want to" in printed
    assert "server's log" in printed


def test_a_server_that_ends_at_once_is_said_to(tmp_path, monkeypatch):
    monkeypatch.setattr(
        demo_server, "program", lambda *_: [sys.executable, "-c", "print('no', file=2)"]
    )
    server = DemoServer(tmp_path, tmp_path / "log")
    with pytest.raises(ServerDied, match="ended at once"), server:
        pass
    assert "AttributeError" in server.log_tail()


def test_the_data_set_is_there():
    assert FLIGHTS.stat().st_size > 1_000_000
