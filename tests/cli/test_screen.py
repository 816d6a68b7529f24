"""How things read, for people and for pipes."""

import io
from datetime import timedelta

import msgspec
import pytest
from rich.console import Console

from outlast.cli.following import show_operation
from outlast.cli.live import OperationView, progress_text
from outlast.cli.screen import Screen, aligned, safe
from outlast.cli.wording import age, duration, number, phase, present, size
from outlast.client import Operation, Progress

OPERATION = Operation(
    id="06A1B2C3D4E5F6G7H8J9",
    kind="count",
    state="running",
    revision=1,
    created_at=present(),
    updated_at=present(),
    attempt=1,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (-1, "0.0 s"), (0.44, "0.4 s"), (12.7, "12 s"), (60, "1 min"),
     (200, "3 min 20 s"), (7500, "2 h 5 min"), (3600, "1 h"), (190_000, "2 d 4 h")],
)  # fmt: skip
def test_a_duration_reads_well(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (5, "5 s ago"), (59, "59 s ago"), (61, "1 min ago"), (7300, "2 h ago")],
)
def test_an_age_reads_well(seconds, text):
    assert age(present() - timedelta(seconds=seconds)) == text


def test_sizes_and_numbers_read_well():
    assert [size(5), size(2048), size(5.5 * 2**20)] == ["5 B", "2.0 KiB", "5.5 MiB"]
    assert [number(336776), number(0.25), number(12345.6)] == ["336,776", "0.25", "12,346"]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "running"),
        ({"cancel_requested_at": present()}, "cancelling"),
        ({"state": "pending"}, "retrying"),
        ({"state": "pending", "attempt": 0}, "pending"),
        (
            {"state": "pending", "attempt": 0, "available_at": present() + timedelta(hours=1)},
            "scheduled",
        ),
        ({"state": "succeeded"}, "succeeded"),
    ],
)
def test_a_phase_says_what_the_fields_say(fields, word):
    assert phase(msgspec.structs.replace(OPERATION, **fields)) == word


def test_progress_reads_well():
    progress = Progress(done=450, total=1000, unit="rows", rate_per_second=50, eta_seconds=11)
    assert progress_text(progress) == " 45%  450 of 1,000 rows  50/s  11 s left"
    assert progress_text(progress, is_running=False) == " 45%  450 of 1,000 rows"
    assert progress_text(Progress(done=3)) == "3"
    assert progress_text(Progress()) == ""


def test_columns_of_plain_text_stand_below_each_other():
    rows = [["NAME", "ROWS"], ["a", "1"], ["long", "100"]]
    assert aligned(rows, ["name", "rows"], frozenset({"rows"})) == [
        "NAME  ROWS",
        "a        1",
        "long   100",
    ]


def test_what_others_wrote_cannot_steer_the_terminal():
    assert safe("a\x1b[2Jb\x07\x9bc\td\n") == "a�[2Jb��c\td\n"


def drawn(renderable, width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(renderable)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_watched_operation_fits_the_terminal(width):
    resources = [
        {"urn": f"urn:{n}", "type": "table", "name": f"table-{n}", "status": "running"}
        for n in range(30)
    ]
    progress = {
        "attempt": 1, "stage": "counting", "message": "x" * 300, "done": 4, "total": 10,
        "unit": "tables", "resources": resources, "rate_per_second": 1.5, "eta_seconds": 4,
    }  # fmt: skip
    operation = msgspec.structs.replace(OPERATION, progress=msgspec.convert(progress, Progress))
    text = drawn(OperationView(operation), width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "40%" in text
    assert "and 18 more: 18 running" in text.replace("\n", " ")


def watched(*statuses, **fields):
    resources = [
        {"urn": f"urn:{n}", "type": "table", "name": f"table-{n}", "status": status}
        for n, status in enumerate(statuses)
    ]
    progress = msgspec.convert({"attempt": 1, "resources": resources}, Progress)
    return msgspec.structs.replace(OPERATION, progress=progress, **fields)


def test_what_moves_is_seen_first_and_the_rest_in_numbers():
    statuses = [*["succeeded"] * 300, *["pending"] * 20, "failed", "running", *["unchanged"] * 5]
    text = drawn(OperationView(watched(*statuses)), 100)
    lines = text.splitlines()
    assert "306 of 327 resources  1 failed" in lines[1]
    assert lines[2].split()[-1] == "table-321"
    assert lines[3].split()[-1] == "table-320"
    assert "and 315 more: 10 pending, 300 succeeded, 5 unchanged" in lines[-1]


def test_an_operation_that_has_ended_does_not_fill_the_terminal():
    ended = watched(*["succeeded"] * 500, state="succeeded", finished_at=present())
    text = drawn(OperationView(ended), 100)
    assert len(text.splitlines()) < 20
    assert "and 488 more: 488 succeeded" in text


def test_an_operation_is_told_whole_with_its_resources(capsys):
    show_operation(Screen(is_json=False), watched(*["succeeded"] * 60, "running", "failed"))
    lines = capsys.readouterr().out.splitlines()
    assert "resources  1 running, 1 failed, 60 succeeded" in lines
    [head] = [n for n, line in enumerate(lines) if line.startswith("STATUS")]
    assert lines[head + 1].split() == ["running", "table", "table-60"]
    assert lines[head + 2].split() == ["failed", "table", "table-61"]
    assert lines[-1] == "and 12 more: 12 succeeded (--json has all of them)"


def test_a_server_that_is_away_is_said_to_be_so():
    view = OperationView(OPERATION)
    view.trouble("connection refused", 3)
    assert "asking again" in drawn(view, 80)
    view.show(OPERATION)
    assert "asking again" not in drawn(view, 80)


def test_output_that_is_not_a_terminal_is_plain(capsys):
    screen = Screen(is_json=False)
    screen.table(["id", "state"], [("1", "failed")])
    screen.details([("result", {"a": [1]}), ("none", None)])
    screen.note("a hint")
    printed = capsys.readouterr()
    assert printed.out == 'ID  STATE\n1   failed\nresult  {"a":[1]}\n'
    assert printed.err == ""
