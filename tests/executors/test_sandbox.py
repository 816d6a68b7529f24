"""What a sandboxed child cannot do, for each way of locking it that this machine has."""

import os
import socket
import sys
from pathlib import Path

import msgspec
import pytest

from outlast.executors import landlock, seccomp
from outlast.executors.port import Finished
from outlast.executors.probing import probe
from outlast.executors.sandbox import Mechanisms, without
from outlast.operations.errors import Unavailable

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="needs root, for users of their own")
needs_landlock = pytest.mark.skipif(not landlock.version(), reason="needs Landlock in the kernel")
needs_seccomp = pytest.mark.skipif(not seccomp.available(), reason="needs a filter for it")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

ALL = pytest.param(Mechanisms(), id="all")
LANDLOCK = pytest.param(
    Mechanisms(user=False, namespace=False), id="landlock+seccomp", marks=[needs_landlock]
)
USER = pytest.param(
    Mechanisms(landlock=False, seccomp=False), id="user+namespace", marks=[needs_root]
)


@pytest.fixture(params=[ALL, LANDLOCK, USER])
async def locked(request, tmp_path, open_bench):
    async with open_bench(tmp_path / "data", mechanisms=request.param) as bench:
        yield bench, request.param


async def test_a_sandboxed_child_sees_no_files_of_the_server(locked, tmp_path):
    bench, mechanisms = locked
    database = tmp_path / "data" / "outlast.db"
    database.touch(0o600)
    open_folder = tmp_path / "data" / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    other, _ = await bench.start("locked_facts")
    await other.wait()
    made = other.workdir / "made"
    told = await bench.result(
        "look_around",
        {
            "read": [str(database), str(made), "/etc/shadow", __file__],
            "list": [str(tmp_path / "data" / "work"), str(other.workdir), "/root"],
            "write": [str(tmp_path / "data" / "new"), str(database), str(open_folder / "escaped")],
        },
    )
    escapes = {name for name, answer in told.items() if not answer.startswith("refused")}
    allowed = {"own file", "stream pair", "identity", "capabilities"}
    if not mechanisms.landlock:
        # Another user alone may still write where everybody may, and run programs.
        allowed |= {f"write {open_folder / 'escaped'}", "program", f"read {__file__}"}
    if not mechanisms.seccomp:
        allowed |= {"datagram", "unix socket", "datagram pair"}
    if not IS_ROOT and not landlock.version():
        pytest.skip("needs root or Landlock")
    assert escapes <= allowed
    assert "own file" in escapes
    assert made.read_text() == "here"
    await other.discard()


async def test_a_sandboxed_child_has_no_network(locked):
    bench, _ = locked
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        told = await bench.result("look_around", {"connect": [port]})
    assert told[f"connect {port}"].startswith("refused")


@needs_landlock
async def test_a_sandboxed_child_cannot_signal_the_worker(bench):
    told = await bench.result("look_around", {"signal": [os.getpid(), os.getppid(), 1]})
    refusals = [told[f"signal {pid}"] for pid in (os.getpid(), os.getppid(), 1)]
    if not IS_ROOT and landlock.version() < 6:
        pytest.skip("needs Landlock version 6 (Linux 6.12) to refuse signals to the same user")
    assert refusals == ["refused: PermissionError"] * 3


@needs_seccomp
async def test_a_sandboxed_child_makes_no_sockets_but_connected_pairs(bench):
    told = await bench.result("look_around")
    for name in ("datagram", "unix socket", "datagram pair"):
        assert told[name] == "refused: PermissionError"
    assert told["stream pair"] == "'AF_UNIX'"


@needs_landlock
async def test_a_sandboxed_child_runs_no_programs(bench):
    assert (await bench.result("look_around"))["program"] == "refused: PermissionError"


@needs_root
async def test_two_attempts_at_once_have_two_users_and_no_rights(bench):
    one, _ = await bench.start("look_around")
    two, _ = await bench.start("look_around")
    told = [msgspec.json.decode((await attempt.wait()).result) for attempt in (one, two)]
    users = [one_told["identity"] for one_told in told]
    assert users[0] != users[1]
    assert all(user.endswith(", [])") for user in users)
    assert one.workdir.stat().st_uid != two.workdir.stat().st_uid
    assert one.workdir.stat().st_mode & 0o777 == 0o700


@needs_root
async def test_when_all_users_are_taken_an_attempt_does_not_start(tmp_path, open_bench):
    async with open_bench(tmp_path / "data", users=range(60_900, 60_901)) as bench:
        running, sink = await bench.start("locked_brood", {"then": "stay"})
        await sink.logged()
        with pytest.raises(Unavailable, match="all 1 users"):
            await bench.start("look_around")
        running.kill("released")
        await running.wait()
        await running.discard()
        await bench.result("look_around")


async def test_a_sandboxed_child_gets_its_inputs(bench, tmp_path):
    source = tmp_path / "source"
    source.write_text("input")
    source.chmod(0o600)
    told = await bench.result("locked_facts", inputs={"in1": source})
    assert told["inputs"] == {"in1": "input"}


@needs_root
async def test_a_readable_source_of_another_user_is_linked_not_copied(bench, tmp_path):
    source = tmp_path / "source"
    source.write_text("input")
    source.chmod(0o444)
    running, _ = await bench.start("locked_facts", inputs={"in1": source})
    await running.wait()
    assert (running.workdir / "in1").stat().st_ino == source.stat().st_ino


async def test_a_sandboxed_child_keeps_files_of_its_operation(bench):
    outcome, sink = await bench.run("locked_files")
    assert isinstance(outcome, Finished), outcome
    assert sink.stored["stored"] == b"content"


async def test_no_link_in_a_workdir_leads_the_worker_out_of_it(bench, tmp_path):
    target = tmp_path / "secret"
    target.write_text("secret")
    outcome, sink = await bench.run("steal_by_link", {"target": str(target)})
    tried = msgspec.json.decode(outcome.result)
    assert "stored" not in tried.values(), tried
    assert "stolen" not in sink.stored
    assert target.read_text() == "secret"


async def test_an_import_after_the_lock_that_fails_says_what_to_do(bench):
    outcome, _ = await bench.run("import_late", {"module": "no_such_module_at_all"})
    assert "name the module in Kind.preload" in outcome.failure.message


@needs_root
async def test_a_sandboxed_child_cannot_make_processes_without_end(bench):
    told = await bench.result("fork_many")
    assert told["children"] < 512


async def test_a_sandboxed_attempt_leaves_nothing_behind(bench, alive):
    _, sink = await bench.run("locked_brood", {"then": "go"})
    assert alive(map(int, sink.lines[0].split())) == []


async def test_where_no_sandbox_holds_a_sandboxed_kind_does_not_start(tmp_path, open_bench):
    nothing = Mechanisms(user=False, landlock=False, namespace=False, seccomp=False)
    async with open_bench(tmp_path / "data", mechanisms=nothing) as bench:
        with pytest.raises(Unavailable, match="no sandbox holds on this machine: files: neither"):
            await bench.start("look_around")
    async with open_bench(tmp_path / "data", mechanisms=nothing, allow_unsandboxed=True) as bench:
        assert (await bench.result("locked_facts"))["attempt"] == 1


@pytest.mark.parametrize("missing", ["files", "network"])
def test_the_probe_does_not_claim_what_does_not_hold(missing):
    files = missing != "files"
    mechanisms = Mechanisms(user=files, landlock=files, namespace=not files, seccomp=not files)
    report = probe(os.environ, mechanisms=mechanisms)
    assert getattr(report, missing) is None
    assert not report.holds


@needs_landlock
@needs_seccomp
def test_the_probe_says_what_holds():
    report = probe(os.environ)
    assert report.files == ("uid+landlock" if IS_ROOT else "landlock")
    assert report.network is not None
    assert report.holds


def test_hidden_folders_are_left_out_and_everything_else_is_not(tmp_path):
    for name in ("a/b", "a/data/work", "c"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "data")
    shown = set(without(tmp_path, [tmp_path / "a" / "data"]))
    assert shown == {tmp_path / "a" / "b", tmp_path / "c"}
    assert list(without(tmp_path / "a" / "data" / "work", [tmp_path / "a" / "data"])) == []


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_filter_is_whole_and_ends_by_allowing(machine):
    code = seccomp.program(machine)
    assert len(code) % 8 == 0
    assert len(code) // 8 < 4096
    assert code[-8:] == bytes.fromhex("060000000000ff7f")


def test_the_worker_itself_is_not_locked():
    status = Path("/proc/self/status").read_text()
    assert "Seccomp:\t0" in status
