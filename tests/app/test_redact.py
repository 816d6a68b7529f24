import pytest

from outlast.app.inference import load_redact
from outlast.settings import ChatLog, Settings, SettingsError


def settings(redact):
    return Settings(chat_log=ChatLog(redact=redact))


def test_a_hook_is_found_by_its_module_and_name():
    assert load_redact(settings("copy:copy"))({"a": 1}) == {"a": 1}
    assert load_redact(settings(None)) is None


@pytest.mark.parametrize(
    "named", ["", "copy", "copy:", ":copy", "copy:nothing", "no_such_module:x", "math:pi"]
)
def test_a_hook_that_is_not_there_is_told_at_the_start(named):
    with pytest.raises(SettingsError, match=r"chat_log\.redact"):
        load_redact(settings(named))
