"""Which program deploys is what the settings say, else the first that the PATH has."""

import pytest

from outlast.app.infrastructure import find_program
from outlast.settings import Infrastructure, ModuleSettings, Settings, SettingsError


@pytest.fixture
def path(tmp_path):
    """A PATH with these programs."""

    def path(*names):
        for name in names:
            (tmp_path / name).write_text("#!/bin/sh\n")
            (tmp_path / name).chmod(0o755)
        return {"PATH": str(tmp_path)}

    return path


def found(environment, **infrastructure):
    settings = Settings(infrastructure=Infrastructure(**infrastructure))
    program = find_program(settings, environment).infrastructure.program
    return None if program is None else program.name


def test_tofu_comes_before_terraform(path):
    assert found(path()) is None
    assert found(path("terraform")) == "terraform"
    assert found(path("terraform", "tofu")) == "tofu"


def test_what_the_settings_name_is_used_and_must_be_there(path, tmp_path):
    environment = path("tofu", "mine")
    assert found(environment, program=tmp_path / "mine") == "mine"
    with pytest.raises(SettingsError, match="cannot be run"):
        found(environment, program=tmp_path / "none")


def test_limits_of_infrastructure_and_modules_are_held(tmp_path):
    for number in (0, 257):
        with pytest.raises(ValueError, match="parallelism"):
            Infrastructure(parallelism=number)
    with pytest.raises(ValueError, match="timeout_seconds"):
        ModuleSettings(path=tmp_path, timeout_seconds=0)
