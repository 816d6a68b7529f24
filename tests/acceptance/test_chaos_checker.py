"""The checker catches each broken promise: made-up histories with one thing wrong in each."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from chaos_checker import Evidence, Glance, Line, Violation, check, executions

ID = "06A0000000000000000A"
OTHER = "06A0000000000000000B"
T0 = 1_800_000_000.0


def instant(seconds: float) -> str:
    moment = datetime.fromtimestamp(T0 + seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(number: int, type_: str, at: float, attempt: int, **data: Any) -> dict[str, Any]:
    return {
        "number": number,
        "revision": number * 2,
        "type": type_,
        "at": instant(at),
        "attempt": attempt,
        "actor": "somebody",
        "data": data,
    }


def line(what: str, at: float, nonce: str = "n1", attempt: int = 1, **more: Any) -> Line:
    return Line(ID, attempt, nonce, 4711, what, T0 + at, **more)


def nothing_saved(at: float, nonce: str, attempt: int) -> Line:
    return line("start", at, nonce, attempt, checkpoint={"nonce": None, "step": 0})


def honest() -> Evidence:
    """One operation: the first attempt lost its lease, the second one succeeded."""
    return Evidence(
        acknowledged=[("k1", ID)],
        operations={
            ID: {
                "id": ID,
                "labels": {"key": "k1"},
                "state": "succeeded",
                "revision": 16,
                "attempt": 2,
                "attempts_max": 3,
                "concurrency_key": None,
                "result": {"nonce": "n2"},
                "progress": {"attempt": 2, "message": "n2"},
            }
        },
        events={
            ID: [
                event(1, "created", 0, 0),
                event(2, "claimed", 1, 1),
                event(3, "step", 1.2, 1, nonce="n1", step=1),
                event(4, "step", 1.3, 1, nonce="n1", step=2),
                event(5, "lease_lost", 5, 1),
                event(6, "claimed", 5.1, 2),
                event(7, "step", 5.3, 2, nonce="n2", step=3),
                event(8, "succeeded", 6, 2),
            ]
        },
        lines=[
            nothing_saved(1.1, "n1", 1),
            line("report", 1.2, step=1),
            line("report", 1.3, step=2),
            line("checkpointed", 1.31, step=2),
            line("start", 5.15, "n2", 2, checkpoint={"nonce": "n1", "step": 2}),
            line("report", 5.3, "n2", 2, step=3),
            line("end", 5.9, "n2", 2),
        ],
        glances=[
            Glance(ID, 2, "pending", 0, None),
            Glance(ID, 8, "running", 1, "n1"),
            Glance(ID, 16, "succeeded", 2, "n2"),
        ],
    )


def operation(evidence: Evidence) -> dict[str, Any]:
    return evidence.operations[ID]


def rules(evidence: Evidence) -> set[str]:
    return {violation.rule for violation in check(evidence)}


def test_an_honest_history_is_accepted():
    assert check(honest()) == []


def test_an_operation_that_was_acknowledged_and_is_not_there_is_lost():
    evidence = honest()
    evidence.acknowledged.append(("k2", OTHER))
    assert check(evidence) == [Violation("lost", OTHER, "acknowledged under k2, and not there")]


def test_attempts_of_an_operation_that_does_not_exist_are_lost():
    evidence = honest()
    evidence.lines.append(Line(OTHER, 1, "n9", 1, "start", T0))
    assert rules(evidence) == {"lost"}


def test_a_resend_that_made_a_second_operation_is_found_by_its_answers():
    evidence = honest()
    evidence.operations[OTHER] = deepcopy(operation(evidence)) | {"id": OTHER}
    evidence.acknowledged.append(("k1", OTHER))
    assert "duplicate" in rules(evidence)


def test_a_resend_that_made_a_second_operation_is_found_by_its_label():
    evidence = honest()
    evidence.operations[OTHER] = deepcopy(operation(evidence)) | {"id": OTHER}
    assert "duplicate" in rules(evidence)


def test_a_process_that_outlived_the_server_is_told():
    evidence = honest()
    evidence.survivors.append("4711 sleep")
    assert rules(evidence) == {"alive"}


def test_a_state_that_is_counted_wrong_is_told():
    evidence = honest()
    evidence.counted = {"succeeded": 1, "failed": 0}
    assert check(evidence) == []
    operation(evidence)["state"] = "cancelled"
    assert [str(one) for one in check(evidence) if one.rule == "counted"] == [
        "counted: -: 1 are succeeded, and 0 are there",
        "counted: -: 0 are failed, and 1 are there",
    ]


def drop(place: int) -> Callable[[Evidence], None]:
    return lambda evidence: evidence.events[ID].pop(place)  # type: ignore[attr-defined]


def add_event(type_: str, at: float, attempt: int, **data: Any) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        events = evidence.events[ID]
        events.append(event(len(events) + 1, type_, at, attempt, **data))  # type: ignore[attr-defined]
        operation(evidence)["revision"] = events[-1]["revision"]

    return change


def set_field(name: str, value: Any) -> Callable[[Evidence], None]:
    return lambda evidence: operation(evidence).__setitem__(name, value)


def set_event(place: int, name: str, value: Any) -> Callable[[Evidence], None]:
    return lambda evidence: evidence.events[ID][place].__setitem__(name, value)


def add_line(one: Line, place: int | None = None) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        evidence.lines.insert(len(evidence.lines) if place is None else place, one)

    return change


def add_glances(*glances: Glance) -> Callable[[Evidence], None]:
    return lambda evidence: evidence.glances.extend(glances)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("unfinished", set_field("state", "running")),
        ("history", drop(3)),
        ("history", drop(0)),
        ("history", drop(7)),
        ("history", set_event(4, "revision", 8)),
        ("history", set_event(5, "attempt", 3)),
        ("history", set_event(3, "data", {"nonce": "n1", "step": 1})),
        ("two_ends", add_event("succeeded", 7, 2)),
        ("two_ends", add_event("failed", 7, 2)),
        ("two_ends", add_event("step", 7, 2, nonce="n2", step=4)),
        ("two_ends", set_field("state", "failed")),
        ("two_ends", set_field("revision", 17)),
        ("two_ends", add_glances(Glance(ID, 17, "failed", 2, None))),
        ("two_ends", add_glances(Glance(ID, 14, "cancelled", 2, None))),
        ("went_back", add_glances(Glance(ID, 99, "running", 2, None))),
        ("too_many_attempts", set_field("attempts_max", 1)),
        ("too_many_attempts", set_field("attempt", 4)),
        ("overlap", set_event(4, "type", "noted")),
        ("overlap", add_line(line("report", 5.2, "n1", 1, step=3))),
        ("overlap", add_line(line("grandchild", 5.2, "n1", 1))),
        ("overlap", add_line(line("start", 3, "n3", 2, checkpoint={"nonce": None, "step": 2}))),
        ("overlap", add_line(line("start", 5.5, "n3", 2, checkpoint={"nonce": None, "step": 2}))),
        ("after_end", add_line(line("grandchild", 6.01, "n2", 2))),
        ("stale_write", set_event(6, "data", {"nonce": "n1", "step": 3})),
        ("stale_write", set_event(6, "data", {"nonce": "unknown", "step": 3})),
        ("stale_write", set_event(6, "attempt", 1)),
        ("stale_write", set_field("result", {"nonce": "n1"})),
        ("stale_write", set_field("result", {"nonce": "unknown"})),
        ("stale_write", set_field("result", None)),
        ("stale_write", set_field("progress", {"attempt": 1, "message": "n1"})),
        ("stale_write", set_field("progress", {"attempt": 1, "message": "n2"})),
        ("checkpoint_lost", add_line(line("checkpointed", 1.4, step=3), 4)),
        ("cancel_ignored", lambda evidence: evidence.cancelled.add(ID)),
    ],
)
def test_a_broken_promise_is_told(rule: str, change: Callable[[Evidence], None]):
    evidence = honest()
    change(evidence)
    assert rule in rules(evidence)


def test_a_checkpoint_of_no_earlier_attempt_is_a_stale_write():
    evidence = honest()
    evidence.lines[4] = line("start", 5.15, "n2", 2, checkpoint={"nonce": "n2", "step": 2})
    assert rules(evidence) == {"stale_write"}


def test_a_result_of_an_operation_that_did_not_succeed_is_a_stale_write():
    evidence = honest()
    operation(evidence)["state"] = "failed"
    evidence.events[ID][-1]["type"] = "failed"  # type: ignore[index]
    evidence.glances.pop()
    assert rules(evidence) == {"stale_write"}


def test_an_attempt_that_began_after_a_cancel_is_told():
    evidence = honest()
    evidence.cancelled.add(ID)
    evidence.events[ID][3]["type"] = "cancel_requested"  # type: ignore[index]
    evidence.events[ID][3]["data"] = {}  # type: ignore[index]
    assert rules(evidence) == {"cancel_ignored"}


def test_a_cancel_before_the_claim_is_honest():
    evidence = Evidence(
        acknowledged=[("k1", ID)],
        cancelled={ID},
        operations={
            ID: operation(honest())
            | {"state": "cancelled", "result": None, "progress": None, "attempt": 0, "revision": 4}
        },
        events={ID: [event(1, "created", 0, 0), event(2, "cancelled", 1, 0)]},
    )
    assert check(evidence) == []


def test_a_released_attempt_does_not_count_and_its_number_comes_again():
    evidence = honest()
    operation(evidence)["attempts_max"] = 1
    operation(evidence)["attempt"] = 1
    operation(evidence)["progress"] = {"attempt": 1, "message": "n2"}
    evidence.events[ID][4]["type"] = "released"  # type: ignore[index]
    for one in evidence.events[ID][5:]:
        one["attempt"] = 1  # type: ignore[index]
    evidence.lines[4:] = [
        line("start", 5.15, "n2", 1, checkpoint={"nonce": "n1", "step": 2}),
        line("end", 5.9, "n2", 1),
    ]
    evidence.glances.clear()
    assert check(evidence) == []
    assert [one.end for one in executions(evidence.events[ID])] == ["released", "succeeded"]


def test_two_operations_that_ran_at_once_under_one_key_are_told():
    evidence = honest()
    operation(evidence)["concurrency_key"] = "database"
    second = deepcopy(operation(evidence)) | {"id": OTHER, "labels": {"key": "k2"}}
    evidence.operations[OTHER] = second
    evidence.events[OTHER] = deepcopy(evidence.events[ID])
    evidence.lines += [
        Line(OTHER, one.attempt, one.nonce + "x", 1, one.what, one.at + 0.05, one.step, {
            "nonce": None, "step": 2,
        })
        for one in evidence.lines
    ]  # fmt: skip
    assert "overlap" in rules(evidence)
