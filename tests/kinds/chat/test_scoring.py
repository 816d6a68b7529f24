import pytest

from outlast.kinds.chat.scoring import (
    Expected,
    Score,
    measure,
    overlap,
    percentile,
    score_answer,
    score_retrieval,
    words_of,
)
from outlast.resources.playgrounds.model import Citation

OWL = Citation(document="owls.txt", page=1, chunk=0, text="The owl hunts, by night.", score=0.9)


@pytest.mark.parametrize(
    ("expected", "is_hit", "is_answer_in_passages"),
    [
        ({}, None, None),
        ({"source": "owls.txt"}, True, None),
        ({"source": "cats.txt"}, False, None),
        ({"passage": "the OWL hunts by night"}, True, None),
        ({"passage": "Once: the owl hunts by night, and sleeps by day."}, True, None),
        ({"passage": "the owl sleeps"}, False, None),
        ({"source": "cats.txt", "passage": "by night"}, True, None),
        ({"answer": "By night!"}, None, True),
        ({"answer": "night owl"}, None, False),
        ({"answer": "now"}, None, False),
    ],
)
def test_what_was_expected_is_looked_for_among_what_was_found(
    expected, is_hit, is_answer_in_passages
):
    score = score_retrieval(Expected(question="?", **expected), [OWL])
    assert (score.is_hit, score.is_answer_in_passages) == (is_hit, is_answer_in_passages)


def test_nothing_found_is_no_hit_and_says_nothing_of_answers():
    score = score_retrieval(Expected(question="?", source="owls.txt", answer="night"), [])
    assert (score.is_hit, score.is_answer_in_passages) == (False, None)


def test_answers_are_compared_by_their_words():
    expected = Expected(question="?", answer="At night.")
    exact = score_answer(Score(), expected, "  at NIGHT ")
    assert (exact.is_exact, exact.token_f1) == (True, 1.0)
    other = score_answer(Score(), expected, "It hunts at night, at night")
    assert (other.is_exact, other.token_f1) == (False, 4 / 8)
    assert score_answer(Score(is_hit=True), Expected(question="?"), "x") == Score(is_hit=True)
    assert words_of("ﬁne Größe") == ["fine", "grösse"]
    assert overlap([], []) == 1.0
    assert overlap(["a"], []) == 0.0


def test_measures_are_means_over_what_was_expected():
    scores = [Score(is_hit=True, is_exact=False, token_f1=0.5), Score(is_hit=False), Score()]
    made = measure(
        scores,
        [30.0, 10.0, 20.0],
        questions=4,
        failures=1,
        prompt_tokens=7,
        completion_tokens=8,
    )
    assert (made.retrieval_hit_rate, made.exact_match, made.token_f1) == (0.5, 0.0, 0.5)
    assert made.answer_in_passages is None
    assert (made.latency_p50_ms, made.latency_p95_ms) == (20.0, 30.0)
    assert percentile([], 50) is None
    assert percentile(list(range(1, 101)), 95) == 95
