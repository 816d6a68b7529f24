import math
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.operations.model import SECOND
from outlast.operations.progress import (
    Progress,
    Report,
    ResourceProgress,
    ResourceStatus,
    Summary,
    advance,
    count,
)

STATUSES = get_args(ResourceStatus)
COUNTS = st.floats(0, 1e9) | st.sampled_from([math.nan, math.inf, -math.inf])
RESOURCES = st.lists(
    st.builds(ResourceProgress, urn=st.text(max_size=3), status=st.sampled_from(STATUSES)),
    max_size=8,
)
REPORTS = st.builds(
    Report,
    done=st.none() | COUNTS,
    total=st.none() | COUNTS,
    unit=st.none() | st.text(max_size=3),
    stage=st.none() | st.text(max_size=3),
    message=st.none() | st.text(max_size=3),
    resources=st.none() | RESOURCES,
)


def replay(reports, attempt=1, progress=None):
    for at, report in enumerate(reports):
        progress = advance(progress, report, attempt, at * SECOND)
    return progress


@given(RESOURCES)
def test_the_summary_always_adds_up(resources):
    summary = advance(None, Report(resources=resources), 1, 0).summary
    counts = {status: getattr(summary, status) for status in STATUSES}
    assert summary.total == len(resources) == sum(counts.values())
    for status, number in counts.items():
        assert number == sum(one.status == status for one in resources)


def test_the_summary_has_a_counter_for_every_status():
    assert {*STATUSES, "total"} == set(Summary.__struct_fields__)


@given(st.lists(REPORTS, min_size=1))
def test_done_never_decreases_within_an_attempt(reports):
    progress, before = None, None
    for at, report in enumerate(reports):
        progress = advance(progress, report, 1, at)
        assert progress.done is None or math.isfinite(progress.done)
        if before is not None:
            assert progress.done is not None
            assert progress.done >= before
        before = progress.done


@given(st.lists(REPORTS, min_size=1), REPORTS)
def test_a_new_attempt_starts_afresh(reports, report):
    progress = replay(reports)
    assert advance(progress, report, 2, 99) == advance(None, report, 2, 99)


@given(st.lists(REPORTS, min_size=1), REPORTS)
def test_a_report_replaces_what_it_says_and_leaves_the_rest(reports, report):
    before = replay(reports)
    after = advance(before, report, 1, 99 * SECOND)
    for name in ("total", "unit", "stage", "message", "resources"):
        said = getattr(report, name)
        if said is None or (name == "total" and not math.isfinite(said)):
            said = getattr(before, name)
        assert getattr(after, name) == (tuple(said) if name == "resources" else said)
    assert (after.attempt, after.at) == (1, 99 * SECOND)


@given(REPORTS, REPORTS)
def test_merged_reports_say_what_both_said_one_after_the_other(first, second):
    merged = advance(None, second.over(first), 1, 5)
    separate = advance(advance(None, first, 1, 5), second, 1, 5)
    for name in ("unit", "stage", "message", "resources"):
        assert getattr(merged, name) == getattr(separate, name)


@given(REPORTS)
def test_an_empty_report_changes_nothing_but_the_time(report):
    before = advance(None, report, 1, 5)
    assert advance(before, Report(), 1, 5) == before
    assert Report().over(report) == report.over(Report()) == report


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_says_nothing(number):
    assert advance(None, Report(done=number, total=number), 1, 5) == advance(None, Report(), 1, 5)
    before = replay([Report(done=1, total=9)])
    assert replay([Report(done=number, total=number)], progress=before) == before


def test_rate_and_eta_come_from_what_this_attempt_did():
    progress = replay([Report(done=100, total=200), Report(done=110), Report(done=120)])
    assert progress.rate_per_second == 10
    assert progress.eta_seconds == 8


def test_the_count_begins_with_the_first_report_that_has_one():
    progress = replay([Report(stage="loading", total=200), Report(done=100), Report(done=110)])
    assert progress.rate_per_second == 10
    assert progress.eta_seconds == 9


def test_one_report_says_nothing_about_the_rate():
    progress = replay([Report(done=100, total=200)])
    assert (progress.rate_per_second, progress.eta_seconds) == (None, None)


def test_no_progress_says_nothing_about_the_rate():
    progress = replay([Report(done=100, total=200), Report(done=100), Report(message="still")])
    assert (progress.rate_per_second, progress.eta_seconds) == (None, None)


def test_two_reports_of_the_same_instant_say_nothing_about_the_rate():
    progress = advance(advance(None, Report(done=1), 1, 5), Report(done=2, total=3), 1, 5)
    assert (progress.rate_per_second, progress.eta_seconds) == (None, None)


def test_without_a_count_there_is_no_rate():
    progress = replay([Report(stage="a"), Report(stage="b")])
    assert (progress.rate_per_second, progress.eta_seconds) == (None, None)


def test_without_a_total_there_is_a_rate_and_no_eta():
    progress = replay([Report(done=0), Report(done=5)])
    assert (progress.rate_per_second, progress.eta_seconds) == (5, None)


def test_what_is_more_than_done_is_not_overdue():
    assert replay([Report(done=0, total=5), Report(done=10)]).eta_seconds == 0


def test_a_clock_that_went_back_gives_no_rate():
    progress = advance(advance(None, Report(done=1), 1, 100), Report(done=2, total=3), 1, 50)
    assert (progress.rate_per_second, progress.eta_seconds) == (None, None)


@given(st.lists(REPORTS, min_size=1))
def test_rate_and_eta_are_never_negative_and_never_nan(reports):
    progress = replay(reports)
    for value in (progress.rate_per_second, progress.eta_seconds):
        assert value is None or (value >= 0 and not math.isnan(value))


@given(st.lists(REPORTS, min_size=1))
def test_progress_survives_storage(reports):
    progress = replay(reports)
    stored = msgspec.json.decode(msgspec.json.encode(progress), type=Progress)
    assert stored == progress
    assert (stored.resources, stored.summary) == (progress.resources, progress.summary)


@given(st.lists(REPORTS, min_size=1))
def test_the_summary_is_that_of_the_resources_after_every_report(reports):
    progress = None
    for at, report in enumerate(reports):
        progress = advance(progress, report, 1 + at // 3, at)
        assert progress.summary == count(progress.resources)


@given(RESOURCES)
def test_what_an_earlier_version_stored_is_counted_and_has_every_key(resources):
    earlier = [
        {
            name: value
            for name, value in msgspec.structs.asdict(one).items()
            if value != getattr(ResourceProgress(urn=""), name) or name == "urn"
        }
        for one in resources
    ]
    stored = msgspec.json.encode({"attempt": 1, "at": 5, "resources": earlier})
    progress = msgspec.json.decode(stored, type=Progress)
    assert progress.resources == tuple(resources)
    assert progress.summary == count(resources)
    for shown in msgspec.json.decode(progress.encoded_resources):
        assert shown.keys() == set(ResourceProgress.__struct_fields__)
