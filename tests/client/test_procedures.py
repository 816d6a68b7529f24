"""Resending, waiting, watching and paging, with neither network nor time."""

import pytest
from playing import BACKOFF, BROKEN, REFUSED, Play, answer, operation, problem, streamed

from outlast.client import procedures, requests
from outlast.client.errors import NotFound, Unavailable, Unreachable, WaitTimedOut
from outlast.client.procedures import Backoff
from outlast.client.requests import Submission
from outlast.client.wire import Answer, Lost

KEYED = requests.submit(Submission(kind="count", spec={}, idempotency_key="k"))
UNKEYED = requests.submit(Submission(kind="count", spec={}))
DONE = answer(operation("succeeded", 9))
CLOSED = Lost("the server closed the stream", sent=False)


def wait(play, replies, timeout_seconds=None):
    return play.run(procedures.wait("x", timeout_seconds, BACKOFF, lambda: play.now), replies)


@pytest.mark.parametrize("reply", [REFUSED, BROKEN, problem(503), problem(429), problem(502)])
def test_what_may_be_sent_twice_is_sent_until_it_is_answered(reply):
    play = Play()
    assert play.run(procedures.perform(KEYED, BACKOFF), [reply, reply, DONE]).state == "succeeded"
    assert len(play.requests) == 3
    assert play.requests[0] is play.requests[2]


def test_what_may_not_be_sent_twice_is_sent_again_only_if_it_never_left():
    play = Play()
    play.run(procedures.perform(UNKEYED, BACKOFF), [REFUSED, DONE])
    assert len(play.requests) == 2
    with pytest.raises(Unreachable):
        Play().run(procedures.perform(UNKEYED, BACKOFF), [BROKEN])
    with pytest.raises(Unavailable):
        Play().run(procedures.perform(UNKEYED, BACKOFF), [problem(503)])


def test_it_is_not_tried_for_ever():
    with pytest.raises(Unreachable, match="refused"):
        Play().run(procedures.perform(KEYED, BACKOFF), [REFUSED] * 4)
    with pytest.raises(Unavailable):
        Play().run(procedures.perform(KEYED, BACKOFF), [problem(503)] * 4)


def test_a_refusal_that_will_not_change_is_final():
    with pytest.raises(NotFound):
        Play().run(procedures.perform(requests.get("x"), BACKOFF), [problem(404)])


def test_the_server_says_how_long_to_pause():
    play = Play()
    play.run(procedures.perform(KEYED, BACKOFF), [problem(503, retry_after="7"), DONE])
    assert play.pauses == [7.0]
    assert play.reasons == ["some detail"]


def test_pauses_grow_and_stay_within_their_limit():
    pauses = [Backoff(jitter=lambda: 0.999).seconds(failures) for failures in range(1, 40)]
    assert pauses == sorted(pauses)
    assert 0.1 < pauses[0] < 0.2
    assert pauses[-1] <= 10


def test_a_senseless_retry_after_does_not_stop_the_client_for_days():
    assert BACKOFF.seconds(1, 1e9) <= 66


def test_a_delete_whose_answer_was_lost_has_been_done():
    play = Play()
    call = requests.delete("x")
    assert play.run(procedures.perform(call, BACKOFF), [BROKEN, problem(404)]) is None
    with pytest.raises(NotFound):
        Play().run(procedures.perform(call, BACKOFF), [REFUSED, problem(404)])


def test_waiting_asks_again_at_once_when_the_server_held_the_request():
    play = Play()
    running = answer(operation())
    assert wait(play, [running, (60, running), (60, running), (1, DONE)]).revision == 9
    assert play.pauses == []
    assert [list(one.query) for one in play.requests] == [[], *[[("wait", "60")]] * 3]


def test_waiting_keeps_the_pace_that_a_server_sets_which_answers_early():
    play = Play()
    wait(play, [answer(operation()), answer(operation(), retry_after="4"), DONE])
    assert play.pauses == [4.0]


def test_waiting_goes_on_while_the_server_is_away():
    play = Play()
    assert wait(play, [answer(operation()), BROKEN, *[REFUSED] * 50, DONE]).state == "succeeded"
    assert len(play.pauses) == 51


def test_waiting_for_a_server_that_was_never_there_ends():
    with pytest.raises(Unreachable):
        wait(Play(), [REFUSED] * 4)


def test_waiting_ends_in_time_and_tells_what_it_saw():
    play = Play()
    with pytest.raises(WaitTimedOut) as raised:
        wait(play, [answer(operation(revision=4)), (5, answer(operation(revision=5)))], 5)
    assert raised.value.operation.revision == 5
    assert play.now == 5


def test_waiting_ends_in_time_while_the_server_is_away():
    play = Play()
    with pytest.raises(WaitTimedOut):
        wait(play, [answer(operation()), *[REFUSED] * 7], 5)
    assert play.now == pytest.approx(5)


def test_waiting_for_what_is_deleted_says_so():
    with pytest.raises(NotFound):
        wait(Play(), [answer(operation()), problem(404)])


def watch(play, replies):
    return play.run(procedures.watch("x", BACKOFF), replies)


def test_watching_gives_every_change_once_and_the_end_whole():
    play = Play()
    watch(
        play,
        [
            answer(operation(revision=1)),
            Answer(200, {}),
            streamed(operation(revision=1)),
            streamed(operation(revision=2)) + streamed(operation(revision=3)),
            streamed(operation("succeeded", 4)),
            answer(operation("succeeded", 4, result={"counted": 1})),
        ],
    )
    assert [one.revision for one in play.emitted] == [1, 2, 3, 4]
    assert play.emitted[-1].result == {"counted": 1}


def test_watching_what_has_ended_gives_the_end_alone():
    play = Play()
    watch(play, [DONE])
    assert [one.revision for one in play.emitted] == [9]


def test_a_stream_that_breaks_goes_on_from_the_last_change_seen():
    play = Play()
    watch(
        play,
        [
            answer(operation(revision=1)),
            Answer(200, {}),
            streamed(operation(revision=2)),
            BROKEN,
            answer({}, 304),
            REFUSED,
            REFUSED,
            answer({}, 304),
            Answer(200, {}),
            streamed(operation("succeeded", 3)),
            DONE,
        ],
    )
    opened = [one for one in play.requests if one.path.endswith("/events")]
    assert [one.headers["last-event-id"] for one in opened] == ["1", "2", "2"]
    assert [one.revision for one in play.emitted] == [1, 2, 9]


def test_where_streams_are_refused_changes_are_polled():
    play = Play()
    watch(
        play,
        [
            answer(operation(revision=1)),
            problem(503, "unavailable", retry_after="1"),
            answer(operation(revision=2)),
            problem(503, "unavailable", retry_after="1"),
            DONE,
            DONE,
        ],
    )
    assert [one.revision for one in play.emitted] == [1, 2, 9]
    assert play.pauses == [1.0, 1.0]


def test_a_stream_that_ends_without_news_is_opened_ever_less_often():
    play = Play()
    quiet = [Answer(200, {}), CLOSED, answer({}, 304)]
    watch(play, [answer(operation(revision=1)), *quiet * 5, Answer(200, {}),
                 streamed(operation("failed", 2)), DONE])  # fmt: skip
    assert play.pauses == sorted(play.pauses)
    assert play.pauses[-1] > play.pauses[0]


def test_watching_without_the_right_to_says_so():
    with pytest.raises(NotFound):
        watch(Play(), [answer(operation()), problem(404)])


def pages(play, replies, limit=None):
    return play.run(
        procedures.pages(
            lambda token: requests.list_page(requests.Filter(), page_size=2, page_token=token),
            "operations",
            limit,
            BACKOFF,
        ),
        replies,
    )


def page(*revisions, token=None):
    found = [operation(revision=revision) for revision in revisions]
    return answer({"operations": found, "next_page_token": token})


def test_pages_follow_each_other_to_the_end():
    play = Play()
    pages(play, [page(1, 2, token="t"), REFUSED, page(3)])
    assert [one.revision for one in play.emitted] == [1, 2, 3]
    assert ("page_token", "t") in list(play.requests[-1].query)


def test_no_page_is_fetched_beyond_the_limit():
    play = Play()
    pages(play, [page(1, 2, token="t"), page(3, 4, token="u")], limit=3)
    assert [one.revision for one in play.emitted] == [1, 2, 3]


def test_a_download_that_breaks_off_is_an_error():
    play = Play()
    request = requests.get("x").request
    with pytest.raises(Unreachable, match="broke off"):
        play.run(procedures.download(request, BACKOFF), [Answer(200, {}), b"abc", BROKEN])
    assert play.emitted == [b"abc"]
    whole = Play()
    whole.run(procedures.download(request, BACKOFF), [REFUSED, Answer(200, {}), b"abc", CLOSED])
    assert whole.emitted == [b"abc"]
