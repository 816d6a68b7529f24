"""Checkpoints among the operation's own files: so many are kept, and none is lost to a crash.

The weights of the last few checkpoints stand in slots that are used in turn, one more than are
kept: whatever dies while it writes spoils only a slot that no durable checkpoint names. What only
training on needs (optimizer, schedule, random numbers) stands in two slots likewise.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from outlast.inference.local import ADAPTER_CONFIG
from outlast.kinds.tuning.plan import FineTuningPlan, Method
from outlast.operations.kind import Context
from outlast.resources.models import NewModel

KEPT_MAX: Final = 3
_SLOTS: Final = KEPT_MAX + 1
_STATE_SLOTS: Final = 2
_STATE: Final = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")
# What `transformers` saves beside these is pickled, or of no use.
_MODEL: Final = re.compile(r"[A-Za-z0-9._-]+\.(safetensors|json|jinja|txt)")


class KeptCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint whose model is kept: its files by name, in the operation's files."""

    step: int
    files: Mapping[str, str]
    metrics: Mapping[str, float]


class TuningState(msgspec.Struct, frozen=True, kw_only=True):
    """What is saved as the attempt's checkpoint: all that the next attempt starts from."""

    step: int
    saved: int
    trained_tokens: int
    rows_digest: str
    state: Mapping[str, str]
    kept: tuple[KeptCheckpoint, ...]
    base: str
    method: Method
    suffix: str | None = None


def read_state(document: Any) -> TuningState | None:
    """What an earlier attempt saved last, or None."""
    return None if document is None else msgspec.convert(document, TuningState)


def store_checkpoint(
    folder: Path,
    step: int,
    earlier: TuningState | None,
    plan: FineTuningPlan,
    context: Context,
    *,
    trained_tokens: int,
    rows_digest: str,
    metrics: Mapping[str, float],
) -> TuningState:
    """Put a folder that `transformers` saved among the operation's files.

    It counts once the state that this gives is the attempt's checkpoint. No step is saved twice.
    """
    number = 0 if earlier is None else earlier.saved
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    state = {name: f"state-{number % _STATE_SLOTS}/{name}" for name in names if name in _STATE}
    files = {
        name: f"kept-{number % _SLOTS}/{name}"
        for name in names
        if name not in _STATE and _MODEL.fullmatch(name)
    }
    if ADAPTER_CONFIG in files:
        _hide_folder(folder / ADAPTER_CONFIG, plan.base)
    for name, stored in (state | files).items():
        context.files.put(stored, folder / name)
    before = () if earlier is None else earlier.kept
    kept = (*before, KeptCheckpoint(step=step, files=files, metrics=metrics))
    return TuningState(
        step=step,
        saved=number + 1,
        trained_tokens=trained_tokens,
        rows_digest=rows_digest,
        state=state,
        kept=kept[-KEPT_MAX:],
        base=plan.base,
        method=plan.method,
        suffix=plan.suffix,
    )


def _hide_folder(config: Path, base: str) -> None:
    """Whoever reads the file shall see the base's name, and not where this server has it."""
    document = msgspec.json.decode(config.read_bytes())
    document["base_model_name_or_path"] = base
    config.write_bytes(msgspec.json.encode(document))


def fetch_checkpoint(state: TuningState, context: Context) -> Path | None:
    """A folder to train on from, as `transformers` saved it; None if a file of it is gone."""
    folder = context.workdir / "resumed" / f"checkpoint-{state.step}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    last = state.kept[-1]
    for name, stored in (dict(state.state) | dict(last.files)).items():
        if not context.files.get(stored, folder / name):
            return None
    return folder


def place_tuned(names: Sequence[str], prefix: str, workdir: Path) -> Path:
    """A folder of staged files under the names that they have in their model."""
    folder = workdir / "tuned"
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to((workdir / (prefix + name)).absolute())
    return folder


def publications(state: TuningState, *, is_final: bool) -> list[NewModel]:
    """What makes each kept checkpoint a model; the last one the result, if it is final."""
    last = state.kept[-1].step if state.kept else None
    return [
        NewModel(
            base=state.base,
            method=state.method,
            step=one.step,
            files=one.files,
            suffix=state.suffix,
            metrics=one.metrics,
            is_final=is_final and one.step == last,
            is_partial=not is_final,
        )
        for one in state.kept
    ]


def publish_partly(document: Any) -> list[NewModel]:
    """What a fine-tuning that failed or was cancelled leaves: the checkpoints that it kept."""
    state = read_state(document)
    return [] if state is None else publications(state, is_final=False)
