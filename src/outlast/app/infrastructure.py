"""Which program deploys modules on this machine."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from outlast.settings import Settings, SettingsError

PROGRAMS: Final = ("tofu", "terraform")


def find_program(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """The settings with the program that deploys modules, if there is one. Raises SettingsError."""
    said = settings.infrastructure
    if said.program is not None:
        if shutil.which(said.program) is None:
            raise SettingsError(f"infrastructure.program: {said.program} cannot be run")
        return settings
    found = (shutil.which(name, path=environment.get("PATH")) for name in PROGRAMS)
    program = next((one for one in found if one is not None), None)
    if program is None:
        return settings
    return replace(settings, infrastructure=replace(said, program=Path(program)))
