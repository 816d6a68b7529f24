"""Cuts a text into chunks. Pure; separators that are patterns are somebody else's."""

import re
from collections.abc import Iterator, Sequence

from outlast.resources.vector_databases.model import Chunking


def split_text(text: str, chunking: Chunking) -> Iterator[str]:
    """The chunks of a text, none empty: all of the text, but for the spaces around chunks."""
    overlap_max = chunking.chunk_size * chunking.overlap_percentage // 100
    pieces = _pieces(text, chunking.separators, chunking)
    current: list[str] = []
    size = 0
    for piece in pieces:
        if size + len(piece) > chunking.chunk_size and current:
            yield from _shown(current)
            # What is kept of it begins the next one, as far as both have room.
            while current and (size > overlap_max or size + len(piece) > chunking.chunk_size):
                size -= len(current.pop(0))
        current.append(piece)
        size += len(piece)
    yield from _shown(current)


def _shown(pieces: Sequence[str]) -> Iterator[str]:
    text = "".join(pieces).strip()
    if text:
        yield text


def _pieces(text: str, separators: Sequence[str], chunking: Chunking) -> Iterator[str]:
    """The text in pieces that are small enough, each with the separator that follows it."""
    if len(text) <= chunking.chunk_size and not separators:
        yield text
        return
    if not separators or separators[0] == "":
        step = max(1, min(chunking.chunk_size, _grain(chunking)))
        yield from (text[start : start + step] for start in range(0, len(text), step))
        return
    pattern = separators[0] if chunking.is_separator_regex else re.escape(separators[0])
    for piece in _cut(text, re.compile(pattern)):
        if len(piece) <= chunking.chunk_size:
            yield piece
        else:
            yield from _pieces(piece, separators[1:], chunking)


def _grain(chunking: Chunking) -> int:
    """How large pieces are where nothing separates them: small enough for the overlap."""
    overlap = chunking.chunk_size * chunking.overlap_percentage // 100
    return overlap or chunking.chunk_size


def _cut(text: str, pattern: re.Pattern[str]) -> Iterator[str]:
    start = 0
    for found in pattern.finditer(text):
        if found.end() > start:
            yield text[start : found.end()]
            start = found.end()
    if start < len(text):
        yield text[start:]
