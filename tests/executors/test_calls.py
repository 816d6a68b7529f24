import sys

import pytest
from installation import until

from outlast.executors.calls import CallFailed, Sandbox
from outlast.operations.errors import Unavailable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a sandbox (Linux)")


@pytest.fixture
async def sandbox(bench):
    return Sandbox(bench.launcher)


def call(sandbox, name, arguments=b"{}", **options):
    options = {"inputs": {}, "timeout_seconds": 20} | options
    return sandbox(f"calls_for_tests:{name}", arguments, **options)


async def test_a_call_answers_and_leaves_its_files_until_it_is_done_with(sandbox, tmp_path):
    source = tmp_path / "source"
    source.write_text("abc")
    async with call(sandbox, "turn_around", b'"arg"', inputs={"in": source}) as result:
        assert result.answer == {"arguments": '"arg"', "turned": "cba"}
        assert (result.folder / "out").read_text() == "cba"
        assert result.locked.holds
        folder = result.folder
    assert not folder.exists()


async def test_a_call_says_how_far_it_has_come_to_who_wants_to_hear(sandbox):
    heard = []
    async with call(sandbox, "report", heard=heard.append) as result:
        assert result.answer == "done"
    assert [report.done for report in heard] == [0, 1, 2]


async def test_a_call_that_raises_says_what(sandbox):
    with pytest.raises(CallFailed, match="ValueError: bad bytes"):
        async with call(sandbox, "fail"):
            pass


async def test_a_call_that_dies_has_crashed(sandbox):
    with pytest.raises(CallFailed) as caught:
        async with call(sandbox, "die"):
            pass
    assert caught.value.failure.code == "crashed"


async def test_a_call_that_takes_too_long_is_killed(sandbox):
    with pytest.raises(CallFailed) as caught:
        async with call(sandbox, "sleep", timeout_seconds=0.2):
            pass
    assert caught.value.failure.code == "call_timed_out"


async def test_a_call_may_not_take_more_memory_than_it_is_given(sandbox):
    with pytest.raises(CallFailed) as caught:
        async with call(sandbox, "eat", memory_bytes=1 << 29):
            pass
    assert caught.value.failure.code == "out_of_memory"


async def test_a_call_may_print_as_much_as_it_likes(sandbox):
    async with call(sandbox, "babble") as result:
        assert result.answer is True


async def test_a_module_that_is_not_there_is_said_to_be(sandbox):
    with pytest.raises(Unavailable, match="no_such_module_at_all cannot be imported"):
        async with sandbox("no_such_module_at_all:f", b"", inputs={}, timeout_seconds=5):
            pass


async def test_a_call_sees_nothing_of_the_server(sandbox, tmp_path):
    secret = tmp_path / "data" / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    async with call(sandbox, "read", str(secret).encode()) as result:
        assert result.answer == "PermissionError"


async def test_a_handler_may_have_its_own_bytes_parsed_in_a_locked_child(bench):
    told = await bench.result("call_sandboxed")
    assert told == {"turned": "cba", "read": "PermissionError"}


async def test_children_that_wait_serve_one_call_each(bench, tmp_path):
    source = tmp_path / "source"
    source.write_text("abc")
    options = {"inputs": {"in": source}, "memory_bytes": 1 << 29}
    sandbox = Sandbox(bench.launcher, warm=1)
    folders = set()
    for _ in range(2):
        async with call(sandbox, "turn_around", b'"arg"', **options) as result:
            assert result.locked.holds
            folders.add(result.folder)
        await until(lambda: sandbox.ready == 1)
    assert len(folders) == 2
    with pytest.raises(CallFailed):
        async with call(sandbox, "die", **options):
            pass
    await sandbox.close()
    assert sandbox.ready == 0
