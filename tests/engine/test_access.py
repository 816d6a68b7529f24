"""The table of roles and verbs, against a second one that was written by hand from the design."""

from itertools import pairwise, product

import pytest

from outlast.engine.access import ALLOWED, Principal, Role, Verb
from outlast.operations.errors import Forbidden

EXPECTED = {
    "viewer": {"read"},
    "submitter": {"read", "submit"},
    "operator": {"read", "submit", "operate", "read_history", "read_secrets"},
    "admin": {"read", "submit", "operate", "read_history", "read_secrets", "administer"},
    "root": {"read", "submit", "operate", "read_history", "read_secrets", "administer", "cross"},
}


def principal(role, member="ann"):
    return Principal(tenant="default", member=member, role=role)


@pytest.mark.parametrize(("role", "verb"), list(product(Role, Verb)))
def test_a_role_may_exactly_what_the_table_says(role, verb):
    allowed = verb.value in EXPECTED[role.value]
    assert (verb in ALLOWED[role]) is allowed
    assert principal(role).may(verb) is allowed
    if allowed:
        principal(role).require(verb)
    else:
        with pytest.raises(Forbidden, match=f"the role {role} may not {verb}"):
            principal(role).require(verb)


def test_each_role_may_all_that_the_one_before_it_may():
    ladder = [ALLOWED[role] for role in Role]
    assert all(lower < higher for lower, higher in pairwise(ladder))


def test_root_alone_crosses_tenants():
    assert [role for role in Role if Verb.CROSS in ALLOWED[role]] == [Role.ROOT]


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        ALLOWED[Role.VIEWER] = frozenset(Verb)


@pytest.mark.parametrize("role", Role)
def test_only_who_may_submit_may_change_what_is_its_own(role):
    own = principal(role, "ann")
    if "submit" in EXPECTED[role.value]:
        own.require_over("ann")
    else:
        with pytest.raises(Forbidden):
            own.require_over("ann")


@pytest.mark.parametrize("role", Role)
def test_only_who_may_operate_may_change_what_others_created(role):
    other = principal(role, "ann")
    if "operate" in EXPECTED[role.value]:
        other.require_over("bob")
    else:
        with pytest.raises(Forbidden):
            other.require_over("bob")
