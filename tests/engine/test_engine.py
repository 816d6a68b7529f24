import asyncio
from typing import Any

import msgspec
import pytest
from installation import MEMBER

from outlast.engine import Principal, Role, Wish
from outlast.operations import ids, transitions
from outlast.operations.errors import (
    Conflict,
    Forbidden,
    IdempotencyMismatch,
    IllegalTransition,
    Invalid,
    InvalidSpec,
    NotFound,
    NotTerminal,
    OperationIdTaken,
    TooLarge,
    UnknownKind,
)
from outlast.operations.failure import Failure
from outlast.operations.kind import CatalogWrite, Kind, Prepared
from outlast.operations.model import SECOND
from outlast.operations.states import State
from outlast.store.port import Change, Claim, Query

STRANGER = Principal(tenant="elsewhere", member="ada", role=Role.ADMIN)
BOB = Principal(tenant="default", member="bob", role=Role.SUBMITTER)
VIEWER = Principal(tenant="default", member="ada", role=Role.VIEWER)


class ShoutSpec(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    times: int = 1


async def _shout(plan, _context):
    return plan.text.upper() * plan.times


@pytest.fixture(autouse=True)
def _kinds(installation):
    installation.add(Kind("shout", spec=ShoutSpec, result=str, run=_shout, executor="inline"))


def wish(**fields: Any) -> Wish:
    fields.setdefault("spec", b'{"text":"hi"}')
    return Wish(kind="shout", **fields)


async def _end(installation, operation, *, result=b"null", failure=None, checkpoint=None):
    store = installation.store.operations
    [claimed] = await store.claim(
        Claim(kinds=frozenset({"shout"}), worker="w", limit=1, lease_seconds=60)
    )
    token = claimed.lease.token
    changes = []
    if checkpoint is not None:
        changes.append(lambda stored, now: transitions.checkpoint(stored, token, checkpoint, now))
    if failure is None:
        changes.append(lambda stored, now: transitions.succeed(stored, token, result, now))
    else:
        changes.append(lambda stored, now: transitions.fail(stored, token, failure, 0, now))
    await store.apply([Change(id=operation.id, tenant=None, decide=one) for one in changes])
    return await installation.get(operation)


async def test_a_kind_that_is_not_here_is_refused(installation):
    with pytest.raises(UnknownKind):
        await installation.submit("whisper")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (b'{"text":1}', "text"),
        (b"{}", "text"),
        (b'{"text":"a","loud":true}', "loud"),
        (b'{"text":"a","times":"two"}', "times"),
        (b"[]", "spec"),
    ],
)
async def test_a_spec_that_does_not_fit_is_refused_naming_the_field(installation, spec, field):
    with pytest.raises(InvalidSpec) as refused:
        await installation.engine.submit(MEMBER, wish(spec=spec))
    assert field in refused.value.field_errors


async def test_a_spec_over_the_limit_is_refused(installation):
    with pytest.raises(TooLarge):
        await installation.engine.submit(MEMBER, wish(spec=b'"' + b"x" * (256 << 10) + b'"'))


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": {f"k{number}": "v" for number in range(33)}},
        {"labels": {"k" * 64: "v"}},
        {"labels": {"-k": "v"}},
        {"labels": {"k": "v" * 256}},
        {"priority": 101},
        {"priority": -101},
        {"deadline_at": 1},
        {"resource_type": "database"},
        {"resource_id": "one"},
        {"project": ""},
        {"project": "a\nb"},
        {"idempotency_key": ""},
        {"idempotency_key": "a b"},
        {"operation_id": "a/b"},
        {"operation_id": ""},
    ],
)
async def test_what_is_out_of_bounds_is_refused(installation, fields):
    with pytest.raises(Invalid):
        await installation.engine.submit(MEMBER, wish(**fields))
    page = await installation.engine.find(MEMBER, Query(tenant="default"))
    assert page.operations == []


async def test_the_same_key_and_body_give_the_same_operation(installation):
    first = await installation.engine.submit(MEMBER, wish(idempotency_key="k1"))
    again = await installation.engine.submit(
        MEMBER, wish(idempotency_key="k1", spec=b'{ "text" : "hi" }')
    )
    assert (first.is_new, again.is_new) == (True, False)
    assert first.operation.id == again.operation.id


async def test_the_same_key_with_another_body_is_refused(installation):
    await installation.engine.submit(MEMBER, wish(idempotency_key="k1"))
    with pytest.raises(IdempotencyMismatch):
        await installation.engine.submit(MEMBER, wish(idempotency_key="k1", priority=1))


async def test_a_resend_is_answered_though_its_deadline_has_passed_meanwhile(installation):
    deadline = installation.store.operations.now() + SECOND // 20
    first = await installation.engine.submit(
        MEMBER, wish(idempotency_key="k", deadline_at=deadline)
    )
    await asyncio.sleep(0.06)
    again = await installation.engine.submit(
        MEMBER, wish(idempotency_key="k", deadline_at=deadline)
    )
    assert (again.is_new, again.operation.id) == (False, first.operation.id)


@pytest.mark.parametrize("name", ["idempotency_key", "operation_id"])
async def test_a_resend_is_answered_though_its_name_is_taken_by_what_the_first_made(
    installation, name
):
    async def prepare(_spec, catalog):
        if await catalog.get("thing", "one") is not None:
            raise Conflict("the name is taken")
        reserve = CatalogWrite(
            type="thing", id="T1", name="one", document=b"{}", expected_revision=0
        )
        return Prepared(plan=None, writes=[reserve])

    installation.add(
        Kind("reserve", spec=Any, result=Any, run=_shout, prepare=prepare, executor="inline")
    )
    first = await installation.submit("reserve", **{name: "same"})
    again = await installation.submit("reserve", **{name: "same"})
    assert again.id == first.id


async def test_a_key_belongs_to_its_tenant(installation):
    first = await installation.engine.submit(MEMBER, wish(idempotency_key="k1"))
    other = await installation.engine.submit(STRANGER, wish(idempotency_key="k1"))
    assert first.operation.id != other.operation.id


async def test_an_operation_can_be_found_by_the_name_its_caller_chose(installation):
    created = await installation.engine.submit(MEMBER, wish(operation_id="nightly.2026-11-22"))
    found = await installation.engine.get(MEMBER, "nightly.2026-11-22")
    assert found.id == created.operation.id
    with pytest.raises(NotFound):
        await installation.engine.get(STRANGER, "nightly.2026-11-22")


async def test_a_chosen_name_with_another_body_is_taken(installation):
    await installation.engine.submit(MEMBER, wish(operation_id="one"))
    with pytest.raises(OperationIdTaken):
        await installation.engine.submit(MEMBER, wish(operation_id="one", priority=3))


async def test_a_fresh_id_of_our_own_form_becomes_the_id_in_all_its_forms(installation):
    wanted = ids.make_id(installation.store.operations.now(), ids.random_bits())
    chosen = str(ids.to_uuid(wanted))
    created = await installation.engine.submit(MEMBER, wish(operation_id=chosen))
    assert created.operation.id == wanted
    for form in (wanted, chosen, ids.to_hex(wanted)):
        assert (await installation.engine.get(MEMBER, form)).id == wanted


async def test_an_id_of_our_own_form_from_another_time_is_refused(installation):
    old = ids.make_id(SECOND * 1_000_000_000, ids.random_bits())
    with pytest.raises(OperationIdTaken):
        await installation.engine.submit(MEMBER, wish(operation_id=old))


async def test_an_id_of_another_tenant_cannot_be_taken(installation):
    operation = await installation.submit("shout", {"text": "hi"})
    with pytest.raises(OperationIdTaken):
        await installation.engine.submit(STRANGER, wish(operation_id=operation.id, priority=2))


async def test_each_of_many_has_its_own_outcome(installation):
    outcomes = await installation.engine.submit_many(
        MEMBER, [wish(), wish(spec=b"{}"), wish(operation_id="x"), wish(operation_id="x")]
    )
    assert isinstance(outcomes[1], InvalidSpec)
    assert [outcomes[0].is_new, outcomes[2].is_new, outcomes[3].is_new] == [True, True, False]


async def test_a_viewer_cannot_submit_and_a_submitter_cannot_cancel_what_others_made(installation):
    operation = await installation.submit("shout", {"text": "hi"})
    with pytest.raises(Forbidden):
        await installation.engine.submit(VIEWER, wish())
    with pytest.raises(Forbidden):
        await installation.engine.cancel(BOB, operation.id)
    with pytest.raises(Forbidden):
        await installation.engine.delete(BOB, operation.id)
    assert (await installation.engine.get(VIEWER, operation.id)).id == operation.id


async def test_not_yours_looks_like_not_there(installation):
    operation = await installation.submit("shout", {"text": "hi"})
    for call in ("get", "cancel", "delete", "retry", "events", "log"):
        with pytest.raises(NotFound) as theirs:
            await getattr(installation.engine, call)(STRANGER, operation.id)
        with pytest.raises(NotFound) as nobodys:
            await getattr(installation.engine, call)(STRANGER, "0" * 20)
        assert theirs.value.message == nobodys.value.message


async def test_a_pending_operation_is_cancelled_at_once(installation):
    operation = await installation.submit("shout", {"text": "hi"})
    assert (await installation.engine.cancel(MEMBER, operation.id)).state is State.CANCELLED
    with pytest.raises(IllegalTransition):
        await installation.engine.cancel(MEMBER, operation.id)


async def test_only_an_operation_that_has_ended_can_be_deleted(installation):
    operation = await installation.submit("shout", {"text": "hi"})
    with pytest.raises(NotTerminal):
        await installation.engine.delete(MEMBER, operation.id)
    await installation.engine.cancel(MEMBER, operation.id)
    await installation.engine.delete(MEMBER, operation.id)
    with pytest.raises(NotFound):
        await installation.engine.get(MEMBER, operation.id)


async def test_a_retry_is_a_new_operation_that_starts_from_the_old_checkpoint(installation):
    operation = await installation.submit("shout", {"text": "hi"}, labels={"a": "b"})
    failure = Failure(code="bad", message="bad", fault="user")
    await _end(installation, operation, failure=failure, checkpoint=b'{"at":3}')
    again = (await installation.engine.retry(MEMBER, operation.id)).operation
    assert again.id != operation.id
    assert (again.parent_id, again.checkpoint) == (operation.id, b'{"at":3}')
    assert (again.labels, again.attempt) == ({"a": "b"}, 0)


async def test_what_succeeded_cannot_be_retried(installation):
    operation = await installation.submit("shout", {"text": "hi"})
    await _end(installation, operation)
    with pytest.raises(IllegalTransition):
        await installation.engine.retry(MEMBER, operation.id)


async def test_prepare_refuses_before_anything_is_stored(installation):
    async def prepare(_spec, _catalog):
        raise Conflict("the name is taken")

    installation.add(
        Kind("strict", spec=Any, result=Any, run=_shout, prepare=prepare, executor="inline")
    )
    with pytest.raises(Conflict):
        await installation.submit("strict")
    assert (await installation.engine.find(MEMBER, Query(tenant="default"))).operations == []


async def test_a_kind_may_need_a_verb_beside_submitting_also_to_be_retried(installation):
    installation.add(
        Kind("history", spec=Any, result=Any, run=_shout, executor="inline", verb="read_history")
    )
    with pytest.raises(Forbidden, match="submitter may not read_history"):
        await installation.engine.submit(BOB, Wish(kind="history", spec=b"{}"))
    bobs = msgspec.structs.replace(BOB, role=Role.OPERATOR)
    created = await installation.engine.submit(bobs, Wish(kind="history", spec=b"{}"))
    await installation.engine.cancel(BOB, created.operation.id)
    with pytest.raises(Forbidden, match="read_history"):
        await installation.engine.retry(BOB, created.operation.id)


async def test_what_a_caller_writes_is_stored_with_the_operation_and_is_not_what_it_asks_for(
    installation,
):
    def owned(id):
        return CatalogWrite(type="thing", id=id, document=b"{}", is_owned=True)

    first = await installation.engine.submit(MEMBER, wish(idempotency_key="k", writes=[owned("A")]))
    again = await installation.engine.submit(MEMBER, wish(idempotency_key="k", writes=[owned("B")]))
    assert (again.is_new, again.operation.id) == (False, first.operation.id)
    things = await installation.store.catalog.find(
        "default", "thing", fields={"operation_id": first.operation.id}
    )
    assert [thing.id for thing in things] == ["A"]
    assert await installation.store.catalog.find("default", "thing") == things


async def test_prepare_is_shown_what_is_written_with_its_operation(installation):
    seen = []

    async def prepare(_spec, catalog):
        thing = await catalog.get("thing", "T1")
        seen.append(None if thing is None else (thing.document, thing.revision, thing.tenant))
        return Prepared(plan=None)

    installation.add(
        Kind("look", spec=Any, result=Any, run=_shout, prepare=prepare, executor="inline")
    )

    async def look(**written):
        write = CatalogWrite(type="thing", id="T1", **written)
        await installation.submit("look", writes=[write])

    await installation.submit("look")
    await look(document=b"1")
    await installation.submit("look")
    await look(document=b"2")
    await look(document=None)
    await installation.submit("look")
    stored = (b"1", 1, "default")
    assert seen == [None, (b"1", 0, "default"), stored, (b"2", 0, "default"), None, None]


async def test_what_prepare_writes_is_stored_with_the_operation_or_not_at_all(installation):
    async def prepare(_spec, _catalog):
        reserve = CatalogWrite(
            type="thing", id="T1", name="one", document=b"{}", expected_revision=0
        )
        return Prepared(plan=None, writes=[reserve])

    installation.add(
        Kind("reserve", spec=Any, result=Any, run=_shout, prepare=prepare, executor="inline")
    )
    await installation.submit("reserve")
    assert await installation.store.catalog.read("default", "thing", "one") is not None
    with pytest.raises(Conflict):
        await installation.submit("reserve")
    found = await installation.engine.find(MEMBER, Query(tenant="default"))
    assert len(found.operations) == 1


async def test_waiting_ends_when_the_operation_does(installation):
    operation = await installation.submit("shout", {"text": "hi"})
    waiting = asyncio.create_task(installation.engine.wait(MEMBER, operation.id, 10))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await installation.engine.cancel(MEMBER, operation.id)
    assert (await waiting).state is State.CANCELLED


async def test_waiting_with_a_revision_ends_at_the_next_change(installation):
    operation = await installation.submit("shout", {"text": "hi"})
    waiting = asyncio.create_task(
        installation.engine.wait(MEMBER, operation.id, 10, operation.revision)
    )
    await asyncio.sleep(0.05)
    await installation.store.operations.claim(
        Claim(kinds=frozenset({"shout"}), worker="w", limit=1, lease_seconds=60)
    )
    assert (await waiting).state is State.RUNNING


async def test_a_watch_shows_every_state_and_ends_with_the_operation(installation):
    operation = await installation.submit("shout", {"text": "hi"})
    seen = []

    async def watch():
        watched = installation.engine.watch(MEMBER, operation.id)
        seen.extend([shown.state async for shown in watched])

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    await _end(installation, operation)
    await asyncio.wait_for(watching, 10)
    assert seen[0] is State.PENDING
    assert seen[-1] is State.SUCCEEDED


async def test_a_closing_hub_ends_every_wait(installation):
    operation = await installation.submit("shout", {"text": "hi"})
    waiting = asyncio.create_task(installation.engine.wait(MEMBER, operation.id, 30))
    await asyncio.sleep(0.05)
    installation.hub.close()
    assert (await asyncio.wait_for(waiting, 5)).state is State.PENDING


async def test_creating_cancelling_and_deleting_are_in_the_audit_log_of_the_tenant(installation):
    operation = await installation.submit("shout", {"text": "hi"}, request_id="r1")
    await installation.engine.cancel(MEMBER, operation.id, request_id="r2")
    await installation.engine.delete(MEMBER, operation.id, request_id="r3")
    records = await installation.store.operations.audit("default")
    assert [(one.entry.action, one.entry.request_id) for one in records] == [
        ("operation.delete", "r3"),
        ("operation.cancel", "r2"),
        ("operation.create", "r1"),
    ]
    assert {one.entry.actor for one in records} == {"ada"}
    assert {one.entry.target for one in records} == {operation.id}
    assert await installation.store.operations.audit("elsewhere") == []
