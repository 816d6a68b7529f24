import asyncio
import dataclasses
import json
from datetime import UTC, datetime

import msgspec
import pyarrow.parquet as pq
import pytest

from outlast.engine.preparing import OwnPreparer
from outlast.kinds import materialize_history
from outlast.kinds.history.rows import write_rows
from outlast.operations.errors import InvalidSpec, Unavailable
from outlast.operations.kind import Resource
from outlast.operations.model import SECOND
from outlast.resources.chat_log import Entry
from outlast.resources.chat_log.model import SegmentDocument, hour_of, segment_key, segment_write
from outlast.resources.datasets.calls import WriteLimits
from outlast.testing.running import ListedCatalog, run_kind

KIND = materialize_history.kinds[0]
START = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z
HOUR = 3600 * SECOND


def entry(at, text="hello", **fields):
    defaults = {
        "id": f"{at:020}",
        "created_at": at,
        "member": "ann",
        "model": "m",
        "status": "succeeded",
        "duration_ms": 12,
        "messages": [{"role": "user", "content": text}],
        "parameters": {"temperature": 0.5},
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text.upper()},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    return Entry(**(defaults | fields))


class Log:
    """A chat log of the segments that a test names."""

    def __init__(self, folder):
        self.folder = folder
        self.resources = []
        self.paths = {}

    def add(self, *entries):
        hour = hour_of(entries[0].created_at)
        id = f"SEGMENT{len(self.resources):013}"
        lines = [msgspec.json.encode(one) for one in entries]
        document = SegmentDocument(
            key=segment_key("default", hour, id),
            bytes=sum(map(len, lines)) + len(lines),
            entries=len(lines),
            first_at=entries[0].created_at,
            last_at=entries[-1].created_at,
        )
        write = segment_write(id, hour, document, 0)
        self.paths[document.key] = self.folder / f"{id}.jsonl"
        self.paths[document.key].write_bytes(b"\n".join(lines) + b"\n")
        self.resources.append(
            Resource(
                tenant="default",
                type=write.type,
                id=id,
                name="",
                document=write.document,
                revision=1,
                created_at=1,
                updated_at=1,
                fields=write.fields,
            )
        )

    async def prepare(self, **spec):
        encoded = json.dumps(spec).encode()
        return await OwnPreparer().prepare(KIND, encoded, ListedCatalog(self.resources))

    def run(self, **spec):
        """The result, and the rows that would be published."""
        prepared = asyncio.run(self.prepare(**spec))
        inputs = {name: self.paths[key] for name, key in prepared.inputs.items()}
        rows = []

        def run_and_read(plan, context):
            finish = KIND.run(plan, context)
            for name in finish.writes[0].files:
                rows.extend(pq.read_table(context.workdir / name).to_pylist())
            return finish

        kind = dataclasses.replace(KIND, run=run_and_read)
        ran = run_kind(kind, spec, catalog=self.resources, inputs=inputs)
        assert ran.failure is None, ran.failure
        return ran, rows


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def instant(microseconds):
    return datetime.fromtimestamp(microseconds / SECOND, UTC).isoformat()


def test_a_row_has_the_dialogue_the_prompt_and_the_answer(log):
    log.add(entry(START + 7, metadata={"app": "bot"}))

    ran, [row] = log.run()

    assert json.loads(row["messages"]) == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "HELLO"},
    ]
    assert json.loads(row["prompt"]) == [{"role": "user", "content": "hello"}]
    assert row["completion"] == "HELLO"
    assert row["created_at"] == datetime.fromtimestamp(START / SECOND, UTC).replace(microsecond=7)
    assert json.loads(row["parameters"]) == {"temperature": 0.5}
    assert json.loads(row["metadata"]) == {"app": "bot"}
    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == (3, 2, 5)
    assert (row["member"], row["model"], row["finish_reason"]) == ("ann", "m", "stop")
    assert ran.result["rows"] == 1
    assert ran.writes[0]["is_temporary"]


def test_the_range_includes_its_beginning_and_not_its_end(log):
    log.add(entry(START, "a"), entry(START + 1, "b"))
    log.add(entry(START + HOUR, "c"), entry(START + HOUR + 5, "d"))

    _, rows = log.run(created_after=instant(START + 1), created_before=instant(START + HOUR + 5))

    assert [row["completion"] for row in rows] == ["B", "C"]


async def test_segments_outside_the_range_are_not_read(log):
    for number in range(5):
        log.add(entry(START + number * HOUR))

    prepared = await log.prepare(
        created_after=instant(START + HOUR), created_before=instant(START + 3 * HOUR)
    )

    assert len(prepared.inputs) == 2


@pytest.mark.parametrize(
    ("wish", "texts"),
    [
        ({"model": "other"}, ["B"]),
        ({"member": "bob"}, ["C"]),
        ({"metadata": {"app": "bot"}}, ["D"]),
        ({"limit": 2}, ["A", "B"]),
        ({"status": ["failed", "incomplete"]}, ["E", "F"]),
        ({}, ["A", "B", "C", "D"]),
    ],
)
def test_filters_take_what_they_say(log, wish, texts):
    log.add(
        entry(START, "a"),
        entry(START + 1, "b", model="other"),
        entry(START + 2, "c", member="bob"),
        entry(START + 3, "d", metadata={"app": "bot", "more": "x"}),
        entry(START + 4, "e", status="failed"),
        entry(START + 5, "f", status="incomplete"),
    )

    _, rows = log.run(**wish)

    assert [row["completion"] for row in rows] == texts


def test_an_entry_without_content_is_counted_and_left_out(log):
    log.add(entry(START), entry(START + 1, messages=[], choices=[], is_omitted=True))

    ran, rows = log.run()

    assert len(rows) == 1
    assert ran.result["omitted"] == 1


def test_a_range_in_which_nothing_was_said_gives_a_version_without_rows(log):
    log.add(entry(START))

    ran, rows = log.run(created_after=instant(START + HOUR), dst={"dataset": "mine"})

    assert rows == []
    assert (ran.result["rows"], ran.result["dataset"]) == (0, "mine")
    assert not ran.writes[0]["is_temporary"]


def test_a_log_that_was_never_written_gives_a_version_without_rows(log):
    assert log.run()[1] == []


def test_a_range_that_no_version_can_hold_is_the_callers_to_narrow(log, monkeypatch):
    monkeypatch.setattr(write_rows, "__defaults__", (WriteLimits(rows=1),))
    log.add(entry(START), entry(START + 1))

    prepared = asyncio.run(log.prepare())
    inputs = {name: log.paths[key] for name, key in prepared.inputs.items()}
    ran = run_kind(KIND, {}, catalog=log.resources, inputs=inputs)

    assert (ran.failure.code, ran.failure.fault) == ("result_too_large", "user")


def test_the_same_history_gives_the_same_version(log):
    log.add(entry(START))

    assert log.run()[0].result["version"] == log.run()[0].result["version"]


def test_an_answer_of_another_shape_does_not_spoil_the_rows(log):
    log.add(
        entry(START, choices=[{"message": {"role": "assistant", "content": [{"type": "text"}]}}]),
        entry(START + 1, choices=["nonsense"], usage={"prompt_tokens": "many"}),
        entry(START + 2, choices=[], usage=None),
    )

    _, rows = log.run()

    assert [row["completion"] for row in rows] == ['[{"type":"text"}]', None, None]
    assert [row["prompt_tokens"] for row in rows] == [3, None, None]


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"created_after": "2026-01-01T00:00:00"}, "created_after"),
        ({"created_before": "2026-01-01T00:00:00"}, "created_before"),
        (
            {"created_after": "2026-01-02T00:00:00Z", "created_before": "2026-01-01T00:00:00Z"},
            "created_before",
        ),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"status": []}, "status"),
        ({"limit": 0}, "limit"),
        ({"from": 3}, "from"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused_by_its_field(log, wish, field):
    with pytest.raises(InvalidSpec) as raised:
        await log.prepare(**wish)
    assert list(raised.value.field_errors) == [field]


async def test_a_long_log_is_read_day_by_day(log):
    for number in range(600):
        log.add(entry(START + number * 24 * HOUR))

    with pytest.raises(InvalidSpec, match="at most 366 days"):
        await log.prepare()
    prepared = await log.prepare(
        created_after=instant(START + 10 * 24 * HOUR),
        created_before=instant(START + 12 * 24 * HOUR + 1),
    )
    assert len(prepared.inputs) == 3


async def test_a_day_of_many_segments_is_read_hour_by_hour(log):
    for number in range(600):
        log.add(entry(START + number * 60 * SECOND))

    prepared = await log.prepare(created_after=instant(START))

    assert len(prepared.inputs) == 600


async def test_an_hour_of_too_many_segments_asks_for_patience(log):
    for number in range(500):
        log.add(entry(START + number * SECOND))

    with pytest.raises(Unavailable, match="2026-01-01T00"):
        await log.prepare(created_after=instant(START))
