"""A state that a killed attempt left here counts only where it is later than the stored one."""

import os

import msgspec
import pytest

from outlast.kinds.infrastructure import remains

STACK = "06EV0000000000000STK"
NAME = "00000001-06EV0000000000000MKR-0001"


def state(serial, lineage="one"):
    return msgspec.json.encode({"serial": serial, "lineage": lineage, "resources": []})


@pytest.fixture
def workdir(tmp_path):
    workdir = tmp_path / "attempt"
    workdir.mkdir()
    return workdir


def leave(workdir, content, stack=STACK, name=NAME):
    file = remains.state_file(workdir, stack, name)
    file.parent.mkdir()
    file.write_bytes(content)
    return file.parent


@pytest.mark.parametrize(
    ("left", "stored", "is_taken"),
    [
        (state(5), state(4), True),
        (state(5), None, True),
        (state(4), state(4), False),
        (state(3), state(4), False),
        (state(5, "other"), state(4), False),
        (state(5)[:-5], state(4), False),
        (b"", state(4), False),
        (state(5), b'{"encrypted": 1}', False),
    ],
)
def test_only_a_later_state_of_the_same_line_is_taken(workdir, left, stored, is_taken):
    leave(workdir, left)
    assert remains.find_newer(workdir, STACK, NAME, stored) == (left if is_taken else None)


def test_what_another_attempt_left_is_not_looked_at(workdir):
    leave(workdir, state(5), name="00000002-06EV0000000000000MKR-0002")
    leave(workdir, state(6), stack="06EV000000000000OTHR")
    assert remains.find_newer(workdir, STACK, NAME, state(4)) is None


def test_what_is_left_of_a_stack_goes_with_the_next_attempt_on_it(workdir):
    own = leave(workdir, state(1), name="00000002-x")
    gone = leave(workdir, state(1))
    others = leave(workdir, state(1), stack="06EV000000000000OTHR")
    remains.remove(workdir, STACK, but="00000002-x")
    assert [one.exists() for one in (own, gone, others)] == [True, False, True]


def test_what_nobody_comes_for_goes_after_a_day(workdir):
    fresh = leave(workdir, state(1), stack="06EV000000000000NEW0")
    written = leave(workdir, state(1), stack="06EV0000000000000WRT")
    old = leave(workdir, state(1), stack="06EV0000000000000LD0")
    for aged in (written, old, *old.iterdir()):
        os.utime(aged, (0, 0))
    assert remains.remove_old(workdir.parent) == 1
    assert [one.exists() for one in (fresh, written, old, workdir)] == [True, True, False, True]
