"""States are sealed for one stack and one name, and the newest one is told by its name."""

import msgspec
import pytest

from outlast.operations.errors import SecretMissing
from outlast.resources.keyring import make_key, read_keys, stack_purpose
from outlast.resources.stacks.states import (
    NO_STATE,
    KeptState,
    newest_state,
    next_state,
    open_state,
    read_state,
    seal_state,
)

OPERATION = "06EV0000000000000ABC"
KEPT = KeptState(state=msgspec.Raw(b'{"serial":7}'), secret_variables={"password": "hush-hush"})


@pytest.fixture
def keyring():
    return read_keys(make_key(), "a test")


def keys_of(keyring, id="1"):
    return keyring.narrow(stack_purpose("default", id))


def test_what_was_sealed_is_opened_with_the_keys_of_its_stack(keyring):
    sealed = seal_state(keys_of(keyring), KEPT, "name")
    assert b"hush" not in sealed
    assert open_state(keys_of(keyring), sealed, "name") == KEPT
    assert open_state(keys_of(keyring), seal_state(keys_of(keyring), KeptState(), "n"), "n") == (
        KeptState(state=NO_STATE)
    )


@pytest.mark.parametrize("change", ["stack", "name", "content", "garbage"])
def test_nothing_else_opens_it(keyring, change):
    sealed, keys, name = seal_state(keys_of(keyring), KEPT, "name"), keys_of(keyring), "name"
    match change:
        case "stack":
            keys = keys_of(keyring, "2")
        case "name":
            name = "other"
        case "content":
            sealed = sealed.replace(b'"content":"', b'"content":"AAAA', 1)
        case "garbage":
            sealed = b"{"
    with pytest.raises(SecretMissing):
        open_state(keys, sealed, name)


def test_a_new_key_of_the_installation_seals_and_the_old_one_still_opens():
    old, new = make_key(), make_key()
    sealed = seal_state(keys_of(read_keys(old, "t")), KEPT, "name")
    both = read_keys(f"{new},{old}", "t")
    assert open_state(keys_of(both), sealed, "name") == KEPT
    with pytest.raises(SecretMissing):
        open_state(keys_of(read_keys(new, "t")), sealed, "name")
    again = seal_state(keys_of(both), KEPT, "name")
    assert open_state(keys_of(read_keys(new, "t")), again, "name") == KEPT


def test_an_attempts_state_sorts_behind_all_that_it_found():
    first = next_state(None, OPERATION, 1)
    second = next_state(first, "00000000000000000000", 2)
    names = ["99999999-not-a-state", first, second, "zzz"]
    assert newest_state(names) == second
    assert newest_state(["something"]) is None


def test_a_state_tells_how_many_resources_there_are():
    state = {
        "resources": [
            {"mode": "managed", "instances": [{}, {}]},
            {"mode": "data", "instances": [{}]},
        ],
        "outputs": {"a": {"value": 1, "type": "number"}, "b": {"value": 2, "sensitive": True}},
    }
    told = read_state(msgspec.json.encode(state))
    assert told.resources == 2
    assert (told.outputs["a"].sensitive, told.outputs["b"].sensitive) == (False, True)


def test_half_a_state_is_none():
    with pytest.raises(msgspec.DecodeError):
        read_state(b'{"resources": [')
