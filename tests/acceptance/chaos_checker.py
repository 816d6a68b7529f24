"""Judges what a server did by what it said over HTTP and what the attempts wrote outside.

It knows nothing of the server's code: its input is JSON from the API and lines of the outside file.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

ENDS: Final = {"succeeded", "failed", "cancelled", "deadline_passed"}
ATTEMPT_ENDS: Final = ENDS | {"retry_scheduled", "released", "lease_lost"}
STATE_OF_END: Final = {
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
    "deadline_passed": "failed",
}
TERMINAL: Final = {"succeeded", "failed", "cancelled"}

_WIRE_SECONDS: Final = 0.001
"""Instants on the wire are cut to milliseconds."""


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept. `rule` is one of a few words, for counting."""

    rule: str
    operation: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.operation}: {self.text}"


@dataclass(frozen=True)
class Line:
    """One line of the outside file: an attempt did something at an instant."""

    operation: str
    attempt: int
    nonce: str
    pid: int
    what: str
    at: float
    step: int = 0
    checkpoint: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Glance:
    """What a client saw of an operation while it was under way."""

    operation: str
    revision: int
    state: str
    attempt: int
    nonce: str | None


@dataclass
class Evidence:
    """Everything that was said. `acknowledged` is (idempotency key, operation id) per answer.

    `counted` is how many the server counted in each state; cancelled ones as failed.
    """

    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    glances: list[Glance] = field(default_factory=list)
    operations: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    events: dict[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    survivors: list[str] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)


@dataclass
class Execution:
    """One claim and what came of it, as the history tells. Instants in seconds."""

    attempt: int
    begins: float
    ends: float = float("inf")
    end: str | None = None


def check(evidence: Evidence) -> list[Violation]:
    """Every promise that was not kept."""
    lines: dict[str, list[Line]] = defaultdict(list)
    for line in evidence.lines:
        lines[line.operation].append(line)
    glances: dict[str, list[Glance]] = defaultdict(list)
    for glance in evidence.glances:
        glances[glance.operation].append(glance)
    found = [*_check_acknowledged(evidence), *_check_keys(evidence, lines)]
    found += [Violation("alive", "-", text) for text in evidence.survivors]
    found += _check_counted(evidence)
    for operation_id, operation in evidence.operations.items():
        events = evidence.events.get(operation_id, [])
        written = lines.pop(operation_id, [])
        found += _check_history(operation, events)
        found += _check_attempts(operation, events)
        found += _check_writes(operation, events, written)
        found += _check_glances(operation, glances[operation_id])
        if operation_id in evidence.cancelled:
            found += _check_cancel(operation, events)
    found += [
        Violation("lost", operation_id, "attempts ran of an operation that does not exist")
        for operation_id in lines
    ]
    return found


def executions(events: Iterable[Mapping[str, Any]]) -> list[Execution]:
    """The attempts of a history, a released one and its repetition counted apart."""
    made: list[Execution] = []
    for event in events:
        if event["type"] == "claimed":
            made.append(Execution(event["attempt"], _instant(event["at"])))
        elif event["type"] in ATTEMPT_ENDS and made and made[-1].end is None:
            made[-1].ends = _instant(event["at"])
            made[-1].end = event["type"]
    return made


def _check_acknowledged(evidence: Evidence) -> Iterator[Violation]:
    by_key: dict[str, set[str]] = defaultdict(set)
    for key, operation_id in evidence.acknowledged:
        by_key[key].add(operation_id)
        if operation_id not in evidence.operations:
            yield Violation("lost", operation_id, f"acknowledged under {key}, and not there")
    labelled = Counter(operation["labels"].get("key") for operation in evidence.operations.values())
    for key, ids in by_key.items():
        if len(ids) > 1 or labelled[key] > 1:
            yield Violation("duplicate", "/".join(sorted(ids)), f"one key, several: {key}")


def _check_counted(evidence: Evidence) -> Iterator[Violation]:
    states = [operation["state"] for operation in evidence.operations.values()]
    there = Counter("failed" if state == "cancelled" else state for state in states)
    for state, counted in evidence.counted.items():
        if counted != there[state]:
            yield Violation("counted", "-", f"{counted} are {state}, and {there[state]} are there")


def _check_history(
    operation: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> Iterator[Violation]:
    """Numbers without gaps, revisions that grow, from created to one end."""
    name = operation["id"]
    if operation["state"] not in TERMINAL:
        yield Violation("unfinished", name, f"still {operation['state']}")
    if [event["number"] for event in events] != list(range(1, len(events) + 1)):
        yield Violation("history", name, "event numbers have gaps")
    if any(b["revision"] <= a["revision"] for a, b in itertools.pairwise(events)):
        yield Violation("history", name, "revisions do not grow")
    if events and events[0]["type"] == "created":
        yield from _check_end(operation, events)
        yield from _check_turns(name, events)
    else:
        yield Violation("history", name, "does not begin with created")


def _check_end(
    operation: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> Iterator[Violation]:
    """One end, which is the last event, and what the operation shows."""
    name = operation["id"]
    ends = [event for event in events if event["type"] in ENDS]
    if len(ends) > 1:
        yield Violation("two_ends", name, ", ".join(event["type"] for event in ends))
    elif not ends:
        if operation["state"] in TERMINAL:
            yield Violation("history", name, f"{operation['state']} without an event that says so")
    elif ends[0] is not events[-1]:
        yield Violation("two_ends", name, f"{events[-1]['type']} after {ends[0]['type']}")
    elif STATE_OF_END[ends[0]["type"]] != operation["state"]:
        yield Violation("two_ends", name, f"{ends[0]['type']}, and yet {operation['state']}")
    elif ends[0]["revision"] != operation["revision"]:
        yield Violation("two_ends", name, "changed after its end")


def _check_turns(name: str, events: Iterable[Mapping[str, Any]]) -> Iterator[Violation]:
    """One attempt at a time: claims and their ends take turns."""
    is_open = False
    for event in events:
        if event["type"] == "claimed":
            if is_open:
                yield Violation("overlap", name, "claimed while another attempt held it")
            is_open = True
        elif event["type"] in ATTEMPT_ENDS:
            if not is_open and event["type"] not in {"cancelled", "deadline_passed"}:
                yield Violation("history", name, f"{event['type']} without an attempt")
            is_open = False


def _check_attempts(
    operation: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> Iterator[Violation]:
    made = executions(events)
    counted = sum(1 for one in made if one.end != "released")
    at_most = operation["attempts_max"]
    if max(counted, operation["attempt"]) > at_most:
        yield Violation("too_many_attempts", operation["id"], f"{counted} of {at_most}")
    expected = 1
    for one in made:
        if one.attempt != expected:
            text = f"attempt {one.attempt} where {expected} was due"
            yield Violation("history", operation["id"], text)
        expected = one.attempt + (one.end != "released")


def _check_writes(
    operation: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    lines: Sequence[Line],
) -> Iterator[Violation]:
    """Each line and each write belongs to the attempt that held the operation at that time."""
    name = operation["id"]
    made = executions(events)
    by_nonce: dict[str, int] = {}
    for line in lines:
        if line.nonce not in by_nonce:
            place = _place(made, line)
            if place is None:
                yield Violation("overlap", name, f"{_told(line)} began while it was not claimed")
                continue
            if place in by_nonce.values():
                yield Violation("overlap", name, f"{_told(line)} is a second one of its claim")
            by_nonce[line.nonce] = place
        one = made[by_nonce[line.nonce]]
        if line.at > one.ends + _WIRE_SECONDS:
            late = f"{line.at - one.ends:.3f} s after {one.end}"
            rule = "after_end" if one is made[-1] else "overlap"
            yield Violation(rule, name, f"{_told(line)} wrote {line.what!r} {late}")
    yield from _check_taken(operation, events, made, by_nonce)
    yield from _check_checkpoints(name, lines, by_nonce)


def _check_taken(
    operation: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    made: Sequence[Execution],
    by_nonce: Mapping[str, int],
) -> Iterator[Violation]:
    """No event, result or progress of an attempt was taken after a later one was claimed."""
    name = operation["id"]
    current = -1
    last_noted = -1
    steps: dict[str, int] = {}
    for event in events:
        current += event["type"] == "claimed"
        nonce = event["data"].get("nonce")
        if nonce is None:
            continue
        writer = by_nonce.get(nonce, -1)
        if writer < 0 or writer != current or made[writer].attempt != event["attempt"]:
            yield Violation("stale_write", name, f"event {event['number']} is of another attempt")
        if event["data"]["step"] <= steps.get(nonce, 0):
            yield Violation("history", name, f"event {event['number']} came twice, or out of order")
        steps[nonce] = event["data"]["step"]
        last_noted = max(last_noted, writer)
    result, progress = operation["result"], operation["progress"]
    if operation["state"] == "succeeded":
        if result is None or by_nonce.get(result["nonce"]) != len(made) - 1:
            yield Violation("stale_write", name, "the result is not of the attempt that finished")
    elif result is not None:
        yield Violation("stale_write", name, f"{operation['state']}, with a result")
    if progress is not None:
        writer = by_nonce.get(progress["message"], -1)
        if writer < max(last_noted, 0) or made[writer].attempt != progress["attempt"]:
            yield Violation("stale_write", name, "the progress is of an earlier attempt")


def _check_checkpoints(
    name: str, lines: Sequence[Line], by_nonce: Mapping[str, int]
) -> Iterator[Violation]:
    """An attempt starts from a checkpoint at least as late as the last one that was durable."""
    saved = 0
    for line in lines:
        if line.what == "checkpointed":
            saved = max(saved, line.step)
        elif line.what == "start":
            given, nonce = line.checkpoint["step"], line.checkpoint["nonce"]
            if given < saved:
                text = f"{_told(line)} was given step {given} though {saved} was saved"
                yield Violation("checkpoint_lost", name, text)
            earlier = by_nonce.get(nonce, -1) if nonce else -1
            if nonce and not 0 <= earlier < by_nonce.get(line.nonce, 0):
                text = f"{_told(line)} was given a checkpoint of no earlier attempt"
                yield Violation("stale_write", name, text)


def _check_glances(operation: Mapping[str, Any], glances: Sequence[Glance]) -> Iterator[Violation]:
    """What one client saw, in the order it saw it, never went back."""
    last = Glance(
        operation["id"], operation["revision"], operation["state"], operation["attempt"], None
    )
    for seen, later in itertools.pairwise([*glances, last]):
        if later.revision < seen.revision:
            text = f"revision {later.revision} after {seen.revision}"
            yield Violation("went_back", operation["id"], text)
        if seen.state in TERMINAL and (later.state, later.revision) != (seen.state, seen.revision):
            text = f"{later.state} after {seen.state}"
            yield Violation("two_ends", operation["id"], text)


def _check_cancel(
    operation: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> Iterator[Violation]:
    """A cancel that was acknowledged is in the history, and no attempt began after it."""
    types = [event["type"] for event in events]
    if "cancel_requested" in types:
        asked = types.index("cancel_requested")
        if "claimed" in types[asked:]:
            yield Violation("cancel_ignored", operation["id"], "claimed again after the cancel")
    elif "cancelled" not in types:
        yield Violation("cancel_ignored", operation["id"], "the history does not know of it")


def _check_keys(evidence: Evidence, lines: Mapping[str, Sequence[Line]]) -> Iterator[Violation]:
    """Operations of one concurrency key never ran at the same time."""
    spans: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for operation_id, operation in evidence.operations.items():
        key = operation["concurrency_key"]
        if key is None:
            continue
        by_nonce: dict[str, list[float]] = defaultdict(list)
        for line in lines.get(operation_id, ()):
            by_nonce[line.nonce].append(line.at)
        spans[key] += [(min(at), max(at), operation_id) for at in by_nonce.values()]
    for key, every in spans.items():
        for (_, ended, first), (began, _, second) in itertools.pairwise(sorted(every)):
            if began < ended and first != second:
                yield Violation("overlap", f"{first}/{second}", f"ran at once under {key!r}")


def _place(made: Sequence[Execution], line: Line) -> int | None:
    for place, one in enumerate(made):
        if one.attempt == line.attempt and one.begins <= line.at <= one.ends + _WIRE_SECONDS:
            return place
    return None


def _told(line: Line) -> str:
    return f"attempt {line.attempt} ({line.nonce}, process {line.pid})"


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
