import inspect
import re

import pytest

from outlast.operations import errors
from outlast.operations.errors import Fatal, Invalid, OutlastError, Retry, TooLarge

CLASSES = [
    one
    for _, one in inspect.getmembers(errors, inspect.isclass)
    if issubclass(one, OutlastError) and one.__module__ == errors.__name__
]


def documented_tree():
    """What the module docstring draws: name -> (name of the base, code)."""
    block = errors.__doc__.partition("\n\n")[2].partition("\n\n")[0]
    tree, above = {}, []
    for line in block.splitlines():
        name, _, rest = line.strip().partition(" ")
        depth = (len(line) - len(line.lstrip())) // 2
        above[depth:] = [name]
        base = above[depth - 1] if depth else "Exception"
        tree[name] = (base, rest.split()[0] if rest.split() else "error")
    return tree


def test_the_tree_in_the_docstring_is_the_real_one():
    assert documented_tree() == {
        one.__name__: (one.__mro__[1].__name__, one.code) for one in CLASSES
    }


def test_no_two_errors_share_a_code():
    codes = [one.code for one in CLASSES]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("error", CLASSES, ids=lambda one: one.__name__)
def test_a_code_is_a_lower_case_word(error):
    assert re.fullmatch(r"[a-z][a-z_]*", error.code)


@pytest.mark.parametrize("error", CLASSES, ids=lambda one: one.__name__)
def test_the_docstring_is_the_default_message(error):
    assert "__doc__" in vars(error)
    assert error.__doc__.strip().endswith(".")
    assert str(error()) == error().message == error.__doc__.splitlines()[0]


def test_an_error_keeps_its_message_and_what_is_wrong_with_which_field():
    error = Invalid("bad", field_errors={"a.b": "missing"}, details={"limit": 3})
    assert (error.message, str(error)) == ("bad", "bad")
    assert error.field_errors == {"a.b": "missing"}
    assert error.details == {"limit": 3}


def test_errors_do_not_share_their_details():
    TooLarge().details["limit"] = 1
    assert TooLarge().details == {}


def test_what_handlers_raise_is_not_what_callers_are_shown():
    assert not issubclass(Retry, OutlastError)
    assert not issubclass(Fatal, OutlastError)


def test_a_retry_needs_no_reason():
    retry = Retry()
    assert (retry.after_seconds, retry.code) == (None, "retry")
    assert retry.message == str(retry) == "the handler asked for another attempt"


def test_a_retry_can_say_when_and_why():
    retry = Retry(30, code="busy", message="the model is loading")
    assert (retry.after_seconds, retry.code, retry.message) == (30, "busy", "the model is loading")


def test_a_fatal_says_what_the_caller_can_mend():
    fatal = Fatal("no_table", "there is no table t", field_errors={"sql": "t"}, details={"x": 1})
    assert (fatal.code, fatal.message, str(fatal)) == (
        "no_table",
        "there is no table t",
        "there is no table t",
    )
    assert (fatal.field_errors, fatal.details) == ({"sql": "t"}, {"x": 1})
    assert (Fatal("a", "b").field_errors, Fatal("a", "b").details) == ({}, {})
