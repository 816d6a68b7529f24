import asyncio

import pytest

from outlast.engine import Principal, Role
from outlast.engine.tokens import Tokens
from outlast.operations.errors import (
    Forbidden,
    Invalid,
    NotFound,
    ResourceExists,
    Unauthenticated,
)

ROOT = Principal(tenant="default", member="root", role=Role.ROOT)


@pytest.fixture
def tokens(installation):
    return Tokens(installation.store)


async def test_a_token_tells_whose_it_is(tokens):
    made, text = await tokens.create(ROOT, Role.SUBMITTER, member="ada")
    principal = await tokens.authenticate(text)
    assert (principal.tenant, principal.member, principal.role) == ("default", "ada", "submitter")
    assert principal.token_id == made.id


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1],
        lambda text: text + "x",
        lambda text: text.replace("olt_", "tok_"),
        lambda text: text.replace("_", "", 1),
        lambda _: "",
        lambda _: "olt__",
        lambda _: "olt_00000000000000000000_secret",
    ],
)
async def test_a_token_that_is_off_by_anything_is_refused(tokens, spoil):
    _, text = await tokens.create(ROOT, Role.VIEWER)
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(spoil(text))


async def test_the_secret_is_stored_nowhere(tokens, installation):
    _, text = await tokens.create(ROOT, Role.VIEWER)
    secret = text.split("_", 2)[2].encode()
    for file in installation.folder.rglob("*"):
        if file.is_file():
            assert secret not in file.read_bytes()


async def test_an_expired_token_is_refused(tokens):
    _, text = await tokens.create(ROOT, Role.VIEWER, expires_seconds=0.05)
    await tokens.authenticate(text)
    await asyncio.sleep(0.06)
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(text)


async def test_rotation_refuses_the_old_secret_and_keeps_the_rest(tokens):
    made, old = await tokens.create(ROOT, Role.OPERATOR, member="ada")
    again, new = await tokens.rotate(ROOT, made.id)
    assert (again.id, again.role, again.member) == (made.id, "operator", "ada")
    assert (await tokens.authenticate(new)).member == "ada"
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(old)


async def test_a_revoked_token_is_refused_and_gone(tokens):
    made, text = await tokens.create(ROOT, Role.VIEWER)
    await tokens.revoke(ROOT, made.id)
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(text)
    with pytest.raises(NotFound):
        await tokens.revoke(ROOT, made.id)


async def test_an_admin_sees_and_changes_only_tokens_of_its_tenant(tokens):
    other = await tokens.create_tenant(ROOT, "other")
    admin = Principal(tenant=other.id, member="eve", role=Role.ADMIN)
    made, _ = await tokens.create(ROOT, Role.VIEWER)
    assert await tokens.tokens(admin) == []
    for call in (tokens.revoke, tokens.rotate):
        with pytest.raises(NotFound):
            await call(admin, made.id)


async def test_only_root_makes_root_tokens_and_tenants(tokens):
    admin = Principal(tenant="default", member="eve", role=Role.ADMIN)
    with pytest.raises(Forbidden):
        await tokens.create(admin, Role.ROOT)
    with pytest.raises(Forbidden):
        await tokens.create_tenant(admin, "mine")


async def test_root_names_the_tenant_and_others_may_name_only_their_own(tokens):
    await tokens.create_tenant(ROOT, "default")
    other = await tokens.create_tenant(ROOT, "other")
    _, root = await tokens.create(ROOT, Role.ROOT)
    _, viewer = await tokens.create(ROOT, Role.VIEWER)
    assert (await tokens.authenticate(root, "other")).tenant == other.id
    assert (await tokens.authenticate(viewer, "default")).tenant == "default"
    with pytest.raises(Forbidden):
        await tokens.authenticate(viewer, "other")
    with pytest.raises(Forbidden):
        await tokens.authenticate(viewer, "nowhere")
    with pytest.raises(NotFound):
        await tokens.authenticate(root, "nowhere")


async def test_a_tenants_name_is_unique_and_well_formed(tokens):
    await tokens.create_tenant(ROOT, "one")
    with pytest.raises(ResourceExists):
        await tokens.create_tenant(ROOT, "one")
    for name in ("", "Upper", "-a", "a b", "system"):
        with pytest.raises(Invalid):
            await tokens.create_tenant(ROOT, name)


async def test_a_token_that_somebody_else_chose_can_be_adopted_twice(tokens):
    text = "olt_0123456789ABCDEFGHJK_" + "s" * 32
    await tokens.adopt(text, "default", "admin", Role.ADMIN)
    await tokens.adopt(text, "default", "admin", Role.ADMIN)
    assert (await tokens.authenticate(text)).role is Role.ADMIN


@pytest.mark.parametrize("text", ["secret", "olt_short_" + "s" * 32, "olt_0123456789ABCDEFGHJK_s"])
async def test_a_token_that_can_be_guessed_is_not_adopted(tokens, text):
    with pytest.raises(Invalid):
        await tokens.adopt(text, "default", "admin", Role.ADMIN)


async def test_making_a_token_is_in_the_audit_log_of_its_tenant(tokens, installation):
    other = await tokens.create_tenant(ROOT, "other")
    admin = Principal(tenant=other.id, member="eve", role=Role.ADMIN)
    made, _ = await tokens.create(admin, Role.VIEWER, member="kim")
    [record] = await installation.store.operations.audit(other.id)
    assert (record.entry.action, record.entry.actor) == ("token.create", "eve")
    assert record.entry.target == made.id
