"""A tuned model's own files, from the object store to where its server finds them."""

from collections.abc import Mapping
from pathlib import Path

from outlast.inference.models import ServedModel


def staged_names(model: ServedModel | None, folder: str = "model") -> Mapping[str, str]:
    """What each of the model's files is called in the workdir: staged names have no folders."""
    names = sorted(model.files) if model is not None else []
    return {name: f"{folder}-{number:04}" for number, name in enumerate(names)}


def staged_inputs(model: ServedModel | None, staged: Mapping[str, str]) -> dict[str, str]:
    """What is to be staged: the name in the workdir -> the object's key."""
    return {} if model is None else {name: model.files[own] for own, name in staged.items()}


def own_folder(workdir: Path, staged: Mapping[str, str], folder: str = "model") -> Path | None:
    """The folder that holds the model's files under their own names; None for one without."""
    if not staged:
        return None
    made = workdir / folder
    made.mkdir()
    for name, called in staged.items():
        (made / name).symlink_to(workdir / called)
    return made
