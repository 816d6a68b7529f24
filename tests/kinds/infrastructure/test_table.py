"""What Terraform said, recorded, becomes rows that always add up."""

from pathlib import Path

import pytest

from outlast.kinds.infrastructure.stream import read_line
from outlast.kinds.infrastructure.table import ResourceTable
from outlast.operations.progress import count

STREAMS = Path(__file__).parent / "streams"
NAMES = sorted(path.stem for path in STREAMS.iterdir())


def play(name, until=None):
    """A table that has read a recorded stream, a second for each line; all that was shown."""
    table, shown = ResourceTable("urn:"), []
    for second, line in enumerate((STREAMS / f"{name}.jsonl").read_bytes().splitlines()):
        if until is not None and until(table):
            break
        table.read(read_line(line), float(second))
        shown.append(table.shown(float(second)))
    return table, shown


def statuses(table):
    return {(row.name, row.operation): row.status for row in table.shown(0)}


@pytest.mark.parametrize("name", NAMES)
def test_the_counters_are_those_of_the_resources_at_every_line(name):
    for rows in play(name)[1]:
        summary = count(rows)
        counted = [summary.pending, summary.running, summary.succeeded, summary.failed]
        assert sum([*counted, summary.unchanged]) == summary.total == len(rows)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_never_goes_back(name):
    order = ["pending", "running", "succeeded"]
    seen = {}
    for rows in play(name)[1]:
        for row in rows:
            before = seen.get((row.urn, row.operation), "pending")
            if before in order and row.status in order:
                assert order.index(row.status) >= order.index(before)
            seen[row.urn, row.operation] = row.status


def test_what_is_planned_waits_until_it_begins():
    table, _ = play("created", until=lambda one: one.planned.add)
    assert set(statuses(table).values()) == {"pending"}
    assert (len(table.shown(0)), table.counts, table.is_applying) == (4, None, False)


def test_what_was_created_has_succeeded_and_has_taken_its_time():
    table, shown = play("created")
    assert set(statuses(table).values()) == {"succeeded"}
    assert (table.applied.add, table.counts) == (4, (4, 4))
    assert all(row.duration_seconds > 0 for row in shown[-1])
    assert {row.urn for row in shown[-1]} == {
        "urn:terraform_data.a[0]", "urn:terraform_data.a[1]", "urn:terraform_data.a[2]",
        "urn:terraform_data.replaced",
    }  # fmt: skip
    running = [row for rows in shown for row in rows if row.status == "running"]
    assert running
    assert all(row.duration_seconds >= 0 for row in running)


def test_a_replacement_is_two_rows_and_what_is_only_looked_at_is_unchanged():
    table, _ = play("replaced")
    assert statuses(table) == {
        ("a[0]", "same"): "unchanged",
        ("a[1]", "same"): "unchanged",
        ("a[2]", "delete"): "succeeded",
        ("replaced", "delete"): "succeeded",
        ("replaced", "create"): "succeeded",
    }


def test_what_is_only_looked_at_is_not_counted():
    table, _ = play("destroyed", until=lambda one: one.planned.remove)
    assert set(statuses(table).values()) == {"pending"}
    assert table.counts is None
    assert play("replaced")[0].counts == (3, 3)


def test_what_failed_has_failed_and_what_was_to_follow_still_waits():
    table, _ = play("failed")
    assert statuses(table)["bad[0]", "create"] == "failed"
    assert statuses(table)["slow[0]", "create"] == "pending"
    assert table.is_applying
    assert table.applied is None


def test_a_plan_changes_nothing():
    table, _ = play("planned")
    changes = {(row.resource.addr, row.action) for row in table.changes()}
    assert ("terraform_data.a[3]", "create") in changes
    assert table.applied is None
    assert not table.is_applying


def test_a_destroyed_stack_has_only_what_was_deleted():
    table, _ = play("destroyed")
    assert {(operation, status) for (_, operation), status in statuses(table).items()} == {
        ("delete", "succeeded")
    }


@pytest.mark.parametrize(
    "line",
    [b"", b"Error: not JSON", b"[]", b'{"type": 1}', b'{"type": "apply_start", "hook": "none"}'],
)
def test_what_is_none_of_the_tools_lines_says_nothing(line):
    assert read_line(line) is None


def test_only_declared_fields_are_kept():
    line = b'{"type":"x","@message":"secret","hook":{"resource":{"addr":"a"},"id_value":"secret"}}'
    assert "secret" not in repr(read_line(line))
