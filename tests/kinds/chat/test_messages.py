"""What a model is given of what was found, as far as there is room for it."""

import msgspec

from outlast.kinds.chat.messages import fitting
from outlast.resources.playgrounds.model import (
    CITATIONS_BYTES_MAX,
    PASSAGES_BYTES_MAX,
    Citation,
    Retrieval,
)


def citation(text="Owls hunt.", **metadata):
    return Citation(document="a", page=None, chunk=1, text=text, score=0.5, metadata=metadata)


def kept(*found, tokens_max=None):
    return fitting(found, Retrieval(chunks=100, tokens_max=tokens_max))


def test_chunks_are_taken_while_there_is_room_for_their_texts():
    long = citation("x" * (PASSAGES_BYTES_MAX // 2))
    assert kept(long, long, long) == (long, long)
    assert kept(citation("four"), citation("more"), tokens_max=1) == (citation("four"),)


def test_of_the_first_chunk_a_part_is_taken_and_no_half_of_a_letter():
    assert [
        one.text for one in kept(citation("f\N{GREEK SMALL LETTER PI}\u03c0"), tokens_max=1)
    ] == ["f\u03c0"]


def test_metadata_has_a_limit_too_since_an_answer_is_kept_whole():
    rows = [citation(m="x" * 30_000) for _ in range(100)]
    taken = kept(*rows)
    assert 1 < len(taken) < 100
    assert sum(len(msgspec.json.encode(one)) for one in taken) <= CITATIONS_BYTES_MAX
    [alone] = kept(citation(m="x" * CITATIONS_BYTES_MAX), *rows[:0])
    assert (alone.text, alone.metadata) == ("Owls hunt.", {})


def test_nothing_found_is_nothing_given():
    assert kept() == ()
