"""What the handler of a batch is given. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from outlast.inference.models import ServedModel
from outlast.kinds.batch.requests import ColumnMapping, EndpointPath


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a batch goes on asking.

    A row is asked `attempts_max` times, with pauses that double from `delay_seconds`. If nobody has
    had a good answer for `broken_seconds` by then, the backend is broken; one that only ever says
    that it is busy, after `busy_seconds`. A pause longer than `pause_seconds_max` ends the attempt.
    """

    attempts_max: int = 6
    delay_seconds: float = 0.5
    delay_seconds_max: float = 30
    broken_seconds: float = 120
    busy_seconds: float = 600
    pause_seconds_max: float = 300


class BatchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A batch with every name resolved.

    `files` are staged in the workdir: the input, in order. `source` says which input it is.
    `model_files` are a tuned model's: its name for each -> the staged one. `is_table`: the answers
    also become a version of `dataset`, or of a temporary one.
    """

    model: ServedModel | None
    endpoint: EndpointPath
    source: str
    files: tuple[str, ...]
    parameters: dict[str, Any] = {}
    mapping: ColumnMapping | None = None
    replaces_model: bool = False
    model_files: Mapping[str, str] = {}
    is_table: bool = False
    dataset: str | None = None
    version_name: str | None = None
    patience: Patience
