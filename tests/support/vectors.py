"""An embedding endpoint that is small and deterministic, and documents to search in.

A text's vector counts its words, each at a place that its hash says: texts with the same words are
near to each other. It counts every text that it was asked for.
"""

import hashlib
import json
import re
from collections import Counter

from model_double import ModelDouble

from outlast.executors.calls import Sandbox

DIMENSIONS = 96
MODEL = "words"


def vector_of(text):
    vector = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()):
        vector[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
    return vector


class WordEmbedder(ModelDouble):
    """The endpoint. `embedded` counts texts, `limit` fails what comes after so many requests."""

    def __init__(self, **options):
        super().__init__(models=(MODEL,), **options)
        self.embedded = Counter()
        self.answer = self._embed

    def _embed(self, request):
        texts = request.body["input"]
        texts = [texts] if isinstance(texts, str) else texts
        self.embedded.update(texts)
        data = [
            {"object": "embedding", "index": number, "embedding": vector_of(text)}
            for number, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return json.dumps({"object": "list", "data": data, "usage": usage}).encode()


async def keep_rows(lake, name, rows, principal):
    """A dataset with these rows."""
    datasets = lake.foundation.datasets(Sandbox(lake.foundation.launcher))
    await datasets.create(principal, name)
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    await datasets.upload(principal, name, _pieces(body), format="jsonl")


async def keep_file(lake, name, content, principal):
    """The id of a file with this content."""
    file = await lake.foundation.files().create(
        principal, name=name, purpose="documents", chunks=_pieces(content)
    )
    return file.id


async def _pieces(content):
    yield content
