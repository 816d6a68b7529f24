"""How good an answer is, and what was found for it: plain measures, defined here. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.resources.evaluations.model import Measures
from outlast.resources.playgrounds.model import Citation

_WORD: Final = re.compile(r"\w+")


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """A question, and what is expected of its answer."""

    question: str
    answer: str | None = None
    source: str | None = None
    passage: str | None = None


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How one question went. None: nothing was expected of that, or there is no answer."""

    is_hit: bool | None = None
    is_answer_in_passages: bool | None = None
    is_exact: bool | None = None
    token_f1: float | None = None


def score_retrieval(expected: Expected, found: Sequence[Citation]) -> Score:
    """How well the passages were found."""
    hit = None
    if expected.source is not None or expected.passage is not None:
        is_source = expected.source in {one.document for one in found}
        is_passage = expected.passage is not None and any(
            _overlap(expected.passage, one.text) for one in found
        )
        hit = (expected.source is not None and is_source) or is_passage
    in_passages = None
    if expected.answer is not None and found:
        in_passages = any(_holds(one.text, expected.answer) for one in found)
    return Score(is_hit=hit, is_answer_in_passages=in_passages)


def score_answer(score: Score, expected: Expected, answer: str) -> Score:
    """The score with how well the question was answered."""
    if expected.answer is None:
        return score
    said, wanted = words_of(answer), words_of(expected.answer)
    return msgspec.structs.replace(score, is_exact=said == wanted, token_f1=overlap(said, wanted))


def words_of(text: str) -> list[str]:
    """The words of a text, without case, punctuation and spaces."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def overlap(said: Sequence[str], wanted: Sequence[str]) -> float:
    """The harmonic mean of the shares that the common words have in both."""
    if not said or not wanted:
        return float(said == wanted)
    common = (Counter(said) & Counter(wanted)).total()
    return 2 * common / (len(said) + len(wanted))


def measure(
    scores: Sequence[Score],
    latencies_ms: Sequence[float],
    *,
    questions: int,
    failures: int,
    prompt_tokens: int,
    completion_tokens: int,
) -> Measures:
    """What all the questions of a blueprint come to."""
    return Measures(
        questions=questions,
        failures=failures,
        retrieval_hit_rate=_mean([one.is_hit for one in scores]),
        answer_in_passages=_mean([one.is_answer_in_passages for one in scores]),
        exact_match=_mean([one.is_exact for one in scores]),
        token_f1=_mean([one.token_f1 for one in scores]),
        latency_p50_ms=percentile(latencies_ms, 50),
        latency_p95_ms=percentile(latencies_ms, 95),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
    )


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The smallest value that so many percent of them do not exceed."""
    if not values:
        return None
    rank = -(-len(values) * percent // 100)
    return sorted(values)[max(rank, 1) - 1]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _overlap(one: str, other: str) -> bool:
    return _holds(one, other) or _holds(other, one)


def _holds(text: str, part: str) -> bool:
    """Whether the words of the part stand in the text, in their order."""
    words = words_of(part)
    return bool(words) and f" {' '.join(words)} " in f" {' '.join(words_of(text))} "
