import os
import sys
from pathlib import Path

import msgspec
import pytest

from outlast.executors.port import Failed, Finished, PlainWrite, Stopped
from outlast.operations import documents
from outlast.operations.errors import LeaseLost, Unavailable, UnknownKind
from outlast.operations.progress import Report
from outlast.settings import Limits


async def test_a_handler_gets_its_plan_and_its_result_comes_back(bench):
    assert await bench.result("echo", {"a": [1, "é", None]}) == {"a": [1, "é", None]}
    assert await bench.result("echo_async", {"a": 1}) == {"a": 1}


async def test_a_context_tells_what_the_assignment_says(bench, tmp_path):
    (tmp_path / "source").write_text("input")
    running, _ = await bench.start(
        "facts",
        attempt=3,
        deadline_at=1_500_000,
        checkpoint=b'{"step":7}',
        secrets={"key": "value"},
        inputs={"in1": tmp_path / "source", "in2": tmp_path / "source"},
    )
    outcome = await running.wait()
    told = msgspec.json.decode(outcome.result)
    assert told["id"] == "01J00000000000000000"
    assert (told["attempt"], told["deadline"], told["checkpoint"]) == (3, 1.5, {"step": 7})
    assert told["secrets"] == {"key": "value"}
    assert told["inputs"] == {"in1": "input", "in2": "input"}
    assert told["cancelled"] is False
    assert told["main_thread"] is True
    assert told["cwd"] == str(running.workdir)


async def test_the_workdir_stays_until_it_is_discarded(bench):
    running, _ = await bench.start("facts", attempt=2)
    await running.wait()
    assert running.workdir.name.startswith("01J00000000000000000-2-")
    assert (running.workdir / "made").read_text() == "here"
    await running.discard()
    assert not running.workdir.exists()


async def test_writes_come_back_with_their_tags(bench):
    outcome, _ = await bench.run("finish")
    assert msgspec.json.decode(outcome.result) == {"ok": True}
    plain = msgspec.json.decode(outcome.writes[0], type=PlainWrite)
    assert (plain.write.type, plain.write.document) == ("thing", b"{}")
    assert msgspec.json.decode(outcome.writes[1]) == {"type": "publication", "files": ["a"]}


async def test_what_a_handler_says_reaches_the_worker_in_order(bench):
    _, sink = await bench.run("say_everything")
    said = Report()
    for report in sink.reports:
        said = report.over(said)
    assert (said.done, said.total, said.stage, said.message) == (1, 3, "reading", "m")
    assert said.resources[0].urn == "a"
    assert sink.events == [("loss", {"step": 1, "value": 0.5})]
    assert [line for line in sink.lines if line in {"one", "two"}] == ["one", "two"]


async def test_what_a_handler_and_its_programs_print_is_logged(bench):
    _, sink = await bench.run("say_everything")
    assert {"printed", "to stderr", "from a program"} <= set(sink.lines)


async def test_retry_says_when(bench):
    outcome, _ = await bench.run("raise", {"what": "retry"})
    assert outcome.after_seconds == 7.5
    assert (outcome.failure.code, outcome.failure.retryable) == ("retry", True)


async def test_fatal_is_the_callers_fault(bench):
    outcome, _ = await bench.run("raise", {"what": "fatal"})
    failure = outcome.failure
    assert (failure.code, failure.fault, failure.retryable) == ("no_such_column", "user", False)
    assert failure.field_errors == {"spec.x": "unknown"}


@pytest.mark.parametrize(
    ("what", "message"),
    [("value", "ValueError: boom"), ("exit", "SystemExit: 3"), ("base", "KeyboardInterrupt: ")],
)
async def test_any_other_exception_is_a_handler_error(bench, what, message):
    outcome, _ = await bench.run("raise", {"what": what})
    failure = outcome.failure
    assert (failure.code, failure.message, failure.fault) == ("handler_error", message, "platform")
    assert "in raise_" in failure.details["traceback"]


@pytest.mark.parametrize("what", ["odd", "odd fatal", "long"])
async def test_a_failure_can_be_stored_whatever_it_says(bench, what):
    outcome, _ = await bench.run("raise", {"what": what})
    assert outcome.failure.code in {"handler_error", "c"}
    documents.check(documents.encode(outcome.failure), 100_000)


async def test_a_memory_error_is_out_of_memory(bench):
    assert (await bench.run("raise", {"what": "memory"}))[0].failure.code == "out_of_memory"


async def test_a_kind_cannot_take_more_memory_than_it_may(bench):
    outcome, _ = await bench.run("eat_memory")
    assert outcome.failure.code == "out_of_memory"


@pytest.mark.parametrize(
    ("how", "said"), [("exit", "status 3"), ("segv", "SIGSEGV"), ("kill", "SIGKILL")]
)
async def test_a_child_that_dies_is_a_crash_that_says_how(bench, how, said):
    outcome, _ = await bench.run("die", {"how": how})
    assert outcome.failure.code == "crashed"
    assert outcome.failure.retryable
    assert said in outcome.failure.message


@pytest.mark.parametrize("what", ["wrong", "huge", "object", "frame"])
async def test_a_result_that_does_not_fit_is_invalid(bench, what):
    outcome, _ = await bench.run("give", {"what": what})
    assert outcome.failure.code == "result_invalid"
    assert not outcome.failure.retryable


async def test_a_plan_that_does_not_fit_fails_the_attempt(bench):
    outcome, _ = await bench.run("echo", [1])
    assert outcome.failure.code == "handler_error"


async def test_a_kind_that_the_worker_does_not_have_is_refused(bench):
    with pytest.raises(UnknownKind):
        await bench.start("nothing")


async def test_a_checkpoint_is_durable_when_the_call_returns(bench):
    _, sink = await bench.run("checkpoint", {"die": True})
    assert sink.checkpoints == [{"step": 1}]


async def test_an_async_handler_awaits_its_checkpoint(bench):
    outcome, sink = await bench.run("checkpoint_async")
    assert isinstance(outcome, Finished)
    assert sink.checkpoints == [{"step": 1}]


async def test_a_handler_that_learns_of_its_lost_lease_stops(bench):
    running, sink = await bench.start("wait_plain")
    await sink.logged()
    running.kill("released")
    await running.wait()
    sink.failing = LeaseLost()
    outcome, _ = await bench.run("checkpoint", sink=sink)
    assert outcome == Stopped(reason="lease")


async def test_a_checkpoint_that_cannot_be_stored_is_an_error_in_the_handler(bench):
    running, sink = await bench.start("echo")
    await running.wait()
    sink.failing = Unavailable("the disk is full")
    outcome, _ = await bench.run("checkpoint", sink=sink)
    assert outcome.failure.message == "Unavailable: the disk is full"


async def test_files_are_put_got_and_listed(bench):
    outcome, sink = await bench.run("use_files")
    assert msgspec.json.decode(outcome.result) == {
        "found": True,
        "fetched": "content",
        "missing": False,
        "names": ["known", "stored"],
    }
    assert sink.stored["stored"] == b"content"


async def test_a_child_sees_only_the_variables_that_its_kind_declares(bench, monkeypatch):
    monkeypatch.setenv("WORKER_SECRET", "tell-tale")
    seen = await bench.result("environment")
    assert seen["environ"]["DECLARED"] == "declared"
    assert "tell-tale" not in str(seen)
    assert set(seen["environ"]) <= {"PATH", "LANG", "LC_CTYPE", "DECLARED"}
    assert set(seen["descriptors"]) <= {"0", "1", "2", "3", "4", "5"}


async def test_inputs_cannot_change_their_sources(bench, tmp_path):
    source = tmp_path / "source"
    source.write_text("input")
    source.chmod(0o600)
    running, _ = await bench.start("facts", inputs={"in1": source})
    await running.wait()
    assert (running.workdir / "in1").stat().st_ino != source.stat().st_ino
    assert source.stat().st_mode & 0o777 == 0o600


async def test_an_import_that_fails_fails_the_attempt_and_says_why(tmp_path, open_bench):
    (tmp_path / "broken_for_tests.py").write_text("import no_such_module_at_all")
    async with open_bench(tmp_path / "data", module="broken_for_tests") as bench:
        outcome, _ = await bench.run("echo")
    assert isinstance(outcome, Failed)
    assert outcome.failure.code == "handler_error"
    assert "No module named 'no_such_module_at_all'" in outcome.failure.message


async def test_a_module_that_exits_while_it_is_imported_fails_the_attempt(tmp_path, open_bench):
    (tmp_path / "leaving_for_tests.py").write_text("import os; os._exit(4)")
    async with open_bench(tmp_path / "data", module="leaving_for_tests") as bench:
        outcome, _ = await bench.run("echo")
    assert "ended while it was importing leaving_for_tests" in outcome.failure.message


async def test_the_log_of_an_attempt_is_bounded(tmp_path, open_bench):
    limits = Limits(log_bytes=10_000, log_line_bytes=100)
    async with open_bench(tmp_path / "data", limits=limits) as bench:
        outcome, sink = await bench.run("flood", {"with": "output", "lines": 20_000})
        assert isinstance(outcome, Finished)
        assert sum(map(len, sink.lines)) < 11_000
        assert sink.lines[-1] == "(the log ends here: 10000 bytes are kept)"
        _, sink = await bench.run("flood", {"with": "line", "lines": 300_000})
        assert max(map(len, sink.lines)) <= 100


async def test_closing_the_executor_stops_what_runs(tmp_path, open_bench):
    async with open_bench(tmp_path / "data") as bench:
        running, sink = await bench.start("ignore_cancel")
        await sink.logged()
    assert await running.wait() == Stopped(reason="released")


def test_a_guard_imports_nothing_but_the_standard_library():
    source = Path(sys.modules["outlast.executors.guard"].__file__).read_text()
    imported = {line.split()[1] for line in source.splitlines() if line.startswith("import ")}
    assert imported <= sys.stdlib_module_names
    assert "\nfrom " not in source
    assert os.access(sys.executable, os.X_OK)
