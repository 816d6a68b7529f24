from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.operations.errors import Invalid
from outlast.operations.model import SECOND
from outlast.operations.schedules import (
    EVERY_SECONDS_MAX,
    SCHEDULE,
    ScheduleDocument,
    TickFailure,
    check_timing,
    decode_schedule,
    next_due,
    schedule_removal,
    schedule_write,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
CRONS = (
    "* * * * *",
    "*/15 * * * *",
    "30 2 * * *",
    "0,30 1-3 * * *",
    "15 */6 * * *",
    "0 0 1 * *",
    "0 12 29 2 *",
    "5 4 * * SUN",
    "0 9 1-7 * MON",
    "59 23 L * *",
)


def schedule(**fields):
    return ScheduleDocument(kind="k", spec={}, created_by="ada", **fields)


def instant(text, zone="UTC", fold=0):
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return (local.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


def shown(at, zone):
    local = (EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(zone))
    return local.strftime("%Y-%m-%d %H:%M %z")


def dues(document, after, count):
    found = []
    for _ in range(count):
        after = next_due(document, after)
        found.append(shown(after, document.time_zone))
    return found


instants = st.integers(0, instant("2100-01-01T00:00"))


@given(st.integers(1, EVERY_SECONDS_MAX), instants, instants)
def test_an_interval_is_counted_from_its_anchor_and_does_not_drift(every, anchor, after):
    due = next_due(schedule(every_seconds=every, anchor_at=anchor), after)
    assert after < due <= after + every * SECOND
    assert (due - anchor) % (every * SECOND) == 0


@given(st.sampled_from(CRONS), st.sampled_from(ZONES), instants)
def test_the_next_instant_is_always_later_and_nothing_lies_between(cron, zone, after):
    document = schedule(cron=cron, time_zone=zone)
    due = next_due(document, after)
    assert due > after
    assert due % (60 * SECOND) == 0
    for between in (after, (after + due) // 2, due - 1):
        assert next_due(document, between) == due


@given(st.text("0123456789*/,-#LW@ \tMON٣", max_size=30), instants)
def test_a_wrong_expression_is_refused_in_words(cron, after):
    error = None
    try:
        due = next_due(schedule(cron=cron, time_zone="Europe/Berlin"), after)
    except Invalid as refused:
        error = refused
    assert list(error.field_errors) == ["cron"] if error else due > after


def test_what_falls_into_a_skipped_hour_is_due_when_that_hour_would_have_ended():
    document = schedule(cron="30 2 * * *", time_zone="Europe/Berlin")
    assert dues(document, instant("2026-03-28T12:00"), 2) == [
        "2026-03-29 03:00 +0200",
        "2026-03-30 02:30 +0200",
    ]


def test_what_falls_into_a_doubled_hour_is_due_once_the_first_time():
    document = schedule(cron="30 2 * * *", time_zone="Europe/Berlin")
    assert dues(document, instant("2026-10-24T12:00"), 2) == [
        "2026-10-25 02:30 +0200",
        "2026-10-26 02:30 +0100",
    ]


def test_a_look_in_the_second_of_both_hours_does_not_go_back_to_the_first():
    document = schedule(cron="30 2 * * *", time_zone="Europe/Berlin")
    second = instant("2026-10-25T02:10", "Europe/Berlin", fold=1)
    assert dues(document, second, 1) == ["2026-10-26 02:30 +0100"]


def test_what_is_due_all_day_follows_the_clock_through_both():
    document = schedule(cron="*/30 * * * *", time_zone="Europe/Berlin")
    assert dues(document, instant("2026-03-29T01:10", "Europe/Berlin"), 3) == [
        "2026-03-29 01:30 +0100",
        "2026-03-29 03:00 +0200",
        "2026-03-29 03:30 +0200",
    ]
    assert dues(document, instant("2026-10-25T02:10", "Europe/Berlin"), 3) == [
        "2026-10-25 02:30 +0200",
        "2026-10-25 02:00 +0100",
        "2026-10-25 02:30 +0100",
    ]


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("61 * * * *", "bad minute"),
        ("* * * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 */20 * 1L", "no day of the next fifty years"),
        ("", "five fields"),
        ("0 " * 200, "five fields"),
        (f"{'0' * 5000} * * * *", "five fields"),
        ("@daily", "five fields"),
        ("* * * *\u00a0*", "five fields"),
    ],
)
def test_an_expression_that_is_wrong_or_never_due_is_refused(cron, reason):
    with pytest.raises(Invalid, match=reason) as refused:
        check_timing(schedule(cron=cron))
    assert list(refused.value.field_errors) == ["cron"]


@pytest.mark.parametrize(
    "zone",
    [
        *("Nowhere/Else", "", "../etc/passwd", "/etc/passwd", "a\0b", "x" * 300, "Europe/Bérlin"),
        *("localtime", "zone.tab", "right/UTC", "posix/UTC", "America"),
    ],
)
def test_an_unknown_time_zone_is_refused(zone):
    with pytest.raises(Invalid, match="time zone") as refused:
        check_timing(schedule(every_seconds=60, time_zone=zone))
    assert list(refused.value.field_errors) == ["time_zone"]


@pytest.mark.parametrize("every", [0, -1, EVERY_SECONDS_MAX + 1])
def test_an_interval_has_limits(every):
    with pytest.raises(Invalid) as refused:
        check_timing(schedule(every_seconds=every))
    assert list(refused.value.field_errors) == ["every_seconds"]


@pytest.mark.parametrize("timing", [{}, {"every_seconds": 5, "cron": "* * * * *"}])
def test_a_schedule_has_either_an_interval_or_an_expression(timing):
    with pytest.raises(Invalid, match="either"):
        check_timing(schedule(**timing))


def test_an_expression_that_is_due_beyond_the_calendar_is_refused():
    document = schedule(cron="0 0 29 2 *")
    with pytest.raises(Invalid, match="fifty years"):
        next_due(document, instant("9999-12-01T00:00"))


def test_a_schedule_is_stored_as_it_is_and_found_by_what_it_makes():
    failure = TickFailure(code="unknown_kind", message="gone", at=7)
    document = schedule(every_seconds=60, labels={"a": "b"}, last_failure=failure)
    write = schedule_write("S1", document, 99, name="nightly", expected_revision=0)
    assert (write.type, write.id, write.name, write.due_at) == (SCHEDULE, "S1", "nightly", 99)
    assert write.expected_revision == 0
    assert write.fields == {"kind": "k", "created_by": "ada", "belongs_to": ""}
    assert decode_schedule(write.document) == document


def test_a_schedule_of_a_resource_is_found_by_it():
    document = schedule(every_seconds=60, belongs_to="pipe_table/T1")
    write = schedule_write("S1", document, 99)
    assert write.fields["belongs_to"] == "pipe_table/T1"
    assert msgspec.json.decode(write.document)["belongs_to"] == "pipe_table/T1"


def test_a_removal_leaves_nothing():
    write = schedule_removal("S1", 3)
    assert (write.type, write.id, write.document, write.expected_revision) == (
        SCHEDULE,
        "S1",
        None,
        3,
    )
