"""Texts are cut into chunks: nothing is lost, none is too large, and neighbours overlap."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.kinds.vector.splitting import split_text
from outlast.resources.vector_databases.model import Chunking

WORDS = st.text(st.sampled_from("ab .\n\t"), max_size=2000)
SEPARATORS = st.lists(st.sampled_from(["\n\n", "\n", " ", "", ".", "a"]), min_size=1, max_size=4)


def chunks_of(text, **chunking):
    return list(split_text(text, Chunking(**chunking)))


def without_spaces(text):
    return "".join(text.split())


@settings(deadline=None)
@given(WORDS, SEPARATORS, st.integers(50, 300))
def test_without_an_overlap_the_chunks_are_the_text(text, separators, size):
    chunks = chunks_of(text, chunk_size=size, overlap_percentage=0, separators=tuple(separators))
    assert without_spaces("".join(chunks)) == without_spaces(text)
    assert all(0 < len(chunk) <= size for chunk in chunks)


@settings(deadline=None)
@given(WORDS, SEPARATORS, st.integers(50, 300), st.integers(0, 50))
def test_with_an_overlap_each_chunk_is_in_the_text_and_none_is_too_large(
    text, separators, size, overlap
):
    chunks = chunks_of(
        text, chunk_size=size, overlap_percentage=overlap, separators=tuple(separators)
    )
    assert all(chunk in text and 0 < len(chunk) <= size for chunk in chunks)


def test_a_chunk_begins_with_the_end_of_the_one_before():
    text = " ".join(f"w{number:03}" for number in range(60))
    chunks = chunks_of(text, chunk_size=100, overlap_percentage=20)
    assert len(chunks) > 2
    for one, next_one in itertools.pairwise(chunks):
        shared = next_one.split()[0]
        assert shared in one.split()[-4:]


@pytest.mark.parametrize("separator", ["x*", "(?=b)", "", "$", r"[.!?]\s"])
def test_patterns_that_match_nothing_lose_nothing(separator):
    text = "a sentence. b! c? " * 30
    chunks = chunks_of(
        text,
        chunk_size=50,
        overlap_percentage=0,
        separators=(separator,),
        is_separator_regex=True,
    )
    assert without_spaces("".join(chunks)) == without_spaces(text)
