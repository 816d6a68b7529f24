"""What callers can do with schedules."""

import msgspec
import pytest
from scheduling import TENANT, Scheduling, at_once

from outlast.engine import Principal, Role
from outlast.engine.schedules import Schedule, ScheduleWish
from outlast.operations.errors import (
    Conflict,
    Forbidden,
    Invalid,
    InvalidSpec,
    NotFound,
    ResourceExists,
    ResourceInUse,
    TooLarge,
    UnknownKind,
)
from outlast.operations.model import SECOND
from outlast.operations.schedules import ScheduleDocument, schedule_write
from outlast.settings import Limits
from outlast.store.port import AuditEntry
from outlast.store.sqlite import SqliteStore
from outlast.testing.clock import ManualClock

ADA = Principal(tenant=TENANT, member="ada", role=Role.SUBMITTER)
BOB = Principal(tenant=TENANT, member="bob", role=Role.SUBMITTER)
EVE = Principal(tenant=TENANT, member="eve", role=Role.OPERATOR)
VIEWER = Principal(tenant=TENANT, member="vic", role=Role.VIEWER)
STRANGER = Principal(tenant="elsewhere", member="ada", role=Role.ADMIN)


@pytest.fixture
async def world(tmp_path):
    clock = ManualClock()
    store = SqliteStore(tmp_path / "outlast.db", clock=clock)
    await store.open()
    yield Scheduling(store, clock)
    await store.close()


async def test_a_new_schedule_is_due_after_its_first_interval(world):
    schedule = await world.create(ADA, every_seconds=900, labels={"team": "data"})
    assert schedule.next_at == world.clock() + 900 * SECOND
    document = schedule.document
    assert (document.created_by, document.role) == ("ada", "submitter")
    assert await world.schedules.get(VIEWER, "nightly") == schedule
    assert await world.schedules.get(VIEWER, schedule.id) == schedule


async def test_the_same_wish_under_the_same_name_is_granted_once(world):
    first = await world.create(ADA, spec={"text": "a"})
    await world.tick(60)
    wish = ScheduleWish(name="nightly", kind="echo", spec={"text": "a"}, every_seconds=60)
    again, is_new = await world.schedules.create(ADA, wish)
    assert (again.id, is_new) == (first.id, False)
    for principal, changes in ((ADA, {"spec": {"text": "b"}}), (BOB, {}), (ADA, {"priority": 1})):
        with pytest.raises(ResourceExists):
            await world.schedules.create(principal, msgspec.structs.replace(wish, **changes))


async def test_of_many_who_create_one_name_at_once_one_does(world):
    wishes = [
        ScheduleWish(name="nightly", kind="echo", spec={"text": text}, every_seconds=60)
        for text in ("a", "a", "b", "b")
    ]
    answers = await at_once(*(world.schedules.create(ADA, wish) for wish in wishes))
    made = [answer for answer in answers if isinstance(answer, tuple)]
    assert len({schedule.id for schedule, _ in made}) == 1
    assert sorted(is_new for _, is_new in made) == [False, True]
    assert all(isinstance(one, tuple | ResourceExists) for one in answers)


@pytest.mark.parametrize(
    ("wish", "refusal", "field"),
    [
        ({"kind": "nothing"}, UnknownKind, None),
        ({"spec": {"text": 1}}, InvalidSpec, "text"),
        ({"cron": "61 * * * *"}, Invalid, "cron"),
        ({"cron": "0 0 * * *", "time_zone": "Nowhere"}, Invalid, "time_zone"),
        ({"every_seconds": 0}, Invalid, "every_seconds"),
        ({"every_seconds": None}, Invalid, "cron"),
        ({"name": "a b"}, Invalid, "name"),
        ({"name": "0" * 20}, Invalid, "name"),
        ({"labels": {"schedule": "x"}}, Invalid, "labels.schedule"),
        ({"labels": {"a b": "x"}}, Invalid, "labels.a b"),
        ({"priority": 101}, Invalid, "priority"),
        ({"deadline_seconds": 0}, Invalid, "deadline_seconds"),
        ({"resource_type": "database"}, Invalid, None),
        ({"spec": {"text": "x" * 300_000}}, TooLarge, None),
        ({"kind": "secretive"}, Forbidden, None),
    ],
)
async def test_what_could_not_be_submitted_cannot_be_scheduled(world, wish, refusal, field):
    with pytest.raises(refusal) as refused:
        await world.create(ADA, **wish)
    assert field is None or field in refused.value.field_errors
    assert await world.schedules.find(ADA, filters={}, limit=10) == []


async def test_what_is_missing_now_is_told_when_the_schedule_is_made(world):
    world.missing = NotFound("there is no such dataset")
    with pytest.raises(NotFound, match="dataset"):
        await world.create(ADA)


async def test_a_tenant_has_only_so_many_schedules_and_those_of_resources_do_not_count(tmp_path):
    store = SqliteStore(tmp_path / "outlast.db")
    await store.open()
    world = Scheduling(store, limits=Limits(schedules=2))
    owned = ScheduleDocument(
        kind="echo", spec={}, created_by="ada", every_seconds=60, belongs_to="pipe_table/T"
    )
    await store.catalog.write(TENANT, [schedule_write("S", owned, 1)])
    await world.create(ADA, "a")
    await world.create(ADA, "b")
    with pytest.raises(Conflict, match="at most 2"):
        await world.create(ADA, "c")
    await world.create(STRANGER, "c")
    await store.close()


async def test_roles_decide_who_may_do_what(world):
    schedule = await world.create(ADA)
    with pytest.raises(Forbidden):
        await world.create(VIEWER, "other")
    uses = {
        "update": lambda one: world.schedules.update(one, schedule.id, {"priority": 5}),
        "pause": lambda one: world.schedules.pause(one, schedule.id),
        "resume": lambda one: world.schedules.resume(one, schedule.id),
        "trigger": lambda one: world.schedules.trigger(one, schedule.id),
        "delete": lambda one: world.schedules.delete(one, schedule.id),
    }
    for use in uses.values():
        for other in (VIEWER, BOB):
            with pytest.raises(Forbidden):
                await use(other)
        with pytest.raises(NotFound):
            await use(STRANGER)
        await use(EVE)
    assert not await world.exists(VIEWER, schedule)


async def test_a_list_is_filtered_and_paged(world):
    for name, principal in (("a", ADA), ("b", BOB), ("c", ADA)):
        world.clock.advance(1)
        await world.create(principal, name)
    find = world.schedules.find
    found = await find(VIEWER, filters={}, limit=2)
    rest = await find(VIEWER, filters={}, before_id=found[-1].id, limit=2)
    assert [one.name for one in found + rest] == ["c", "b", "a"]
    found = await find(VIEWER, filters={"created_by": "ada", "kind": "echo"}, limit=5)
    assert [one.name for one in found] == ["c", "a"]
    assert await find(STRANGER, filters={}, limit=5) == []


async def test_another_timing_counts_from_now_and_the_same_one_goes_on(world):
    schedule = await world.create(ADA, every_seconds=600)
    world.clock.advance(60)
    changed = await world.schedules.update(ADA, schedule.id, {"spec": {"text": "x"}})
    assert changed.next_at == schedule.next_at
    changed = await world.schedules.update(ADA, schedule.id, {"every_seconds": 300})
    assert changed.next_at == world.clock() + 300 * SECOND
    changed = await world.schedules.update(ADA, schedule.id, {"cron": "0 0 * * *"})
    assert (changed.document.every_seconds, changed.document.cron) == (None, "0 0 * * *")
    changed = await world.schedules.update(ADA, schedule.id, {"every_seconds": 5})
    assert (changed.document.every_seconds, changed.document.cron) == (5, None)
    with pytest.raises(Invalid):
        await world.schedules.update(ADA, schedule.id, {"cron": "nonsense"})


async def test_whoever_changes_a_schedule_takes_it_over(world):
    schedule = await world.create(ADA)
    changed = await world.schedules.update(EVE, schedule.id, {"priority": 1})
    assert (changed.document.created_by, changed.document.role) == ("eve", "operator")
    with pytest.raises(Forbidden):
        await world.schedules.pause(ADA, schedule.id)
    assert [
        one.id for one in await world.schedules.find(EVE, filters={"created_by": "eve"}, limit=5)
    ]


async def test_a_lower_role_cannot_use_the_powers_of_a_higher_one(world):
    admin = Principal(tenant=TENANT, member="ann", role=Role.OPERATOR)
    schedule = await world.create(admin, kind="secretive")
    weak = msgspec.structs.replace(admin, role=Role.SUBMITTER)
    for use in (
        world.schedules.update(weak, schedule.id, {"priority": 1}),
        world.schedules.trigger(weak, schedule.id),
    ):
        with pytest.raises(Forbidden):
            await use


async def test_a_paused_schedule_is_not_due_and_makes_up_for_nothing(world):
    schedule = await world.create(ADA, every_seconds=60)
    paused = await world.schedules.pause(ADA, schedule.id)
    assert (paused.next_at, paused.document.is_paused) == (None, True)
    assert await world.schedules.pause(ADA, schedule.id) == paused
    changed = await world.schedules.update(ADA, schedule.id, {"every_seconds": 30})
    assert changed.next_at is None
    await world.tick(600)
    assert await world.made(schedule) == []
    resumed = await world.schedules.resume(ADA, schedule.id)
    assert resumed.next_at == world.clock() + 30 * SECOND
    assert await world.schedules.resume(ADA, schedule.id) == resumed


async def test_a_trigger_makes_the_operation_now_and_leaves_the_next_instant(world):
    schedule = await world.create(ADA, spec={"text": "now"}, labels={"a": "b"}, priority=7)
    created = await world.schedules.trigger(ADA, schedule.id)
    operation = created.operation
    assert operation.spec == b'{"text":"now"}'
    assert operation.labels == {"a": "b", "schedule": schedule.id}
    assert (operation.priority, operation.created_by) == (7, "ada")
    after = await world.now(ADA, schedule)
    assert (after.document.operation_id, after.next_at) == (operation.id, schedule.next_at)


async def test_a_trigger_acts_in_the_name_of_whoever_triggers(world):
    schedule = await world.create(ADA)
    created = await world.schedules.trigger(EVE, schedule.id)
    assert created.operation.created_by == "eve"
    assert (await world.now(ADA, schedule)).document.created_by == "ada"


async def test_a_trigger_is_refused_while_the_last_operation_is_alive(world):
    schedule = await world.create(ADA)
    first = await world.schedules.trigger(ADA, schedule.id)
    with pytest.raises(ResourceInUse) as refused:
        await world.schedules.trigger(ADA, schedule.id)
    assert refused.value.details == {"operation_id": first.operation.id}
    await world.finish()
    second = await world.schedules.trigger(ADA, schedule.id)
    assert second.operation.id != first.operation.id


async def test_a_trigger_that_is_sent_again_is_answered_again(world):
    schedule = await world.create(ADA)
    first = await world.schedules.trigger(ADA, schedule.id, idempotency_key="k")
    again = await world.schedules.trigger(ADA, schedule.id, idempotency_key="k")
    assert (again.operation.id, again.is_new) == (first.operation.id, False)


async def test_of_many_triggers_at_once_one_makes_an_operation(world):
    schedule = await world.create(ADA)
    answers = await at_once(*(world.schedules.trigger(ADA, schedule.id) for _ in range(8)))
    assert sum(isinstance(answer, ResourceInUse) for answer in answers) == 7
    assert len(await world.made(schedule)) == 1


async def test_a_deleted_schedule_leaves_what_it_made(world):
    schedule = await world.create(ADA)
    await world.schedules.trigger(ADA, schedule.id)
    await world.schedules.delete(ADA, schedule.id)
    assert not await world.exists(ADA, schedule)
    assert len(await world.made(schedule)) == 1
    with pytest.raises(NotFound):
        await world.schedules.delete(ADA, schedule.id)


async def test_a_schedule_of_a_resource_is_changed_and_deleted_with_it_alone(world):
    document = ScheduleDocument(
        kind="echo", spec={}, created_by="ada", every_seconds=60, belongs_to="pipe_table/T"
    )
    await world.store.catalog.write(TENANT, [schedule_write("S", document, world.clock())])
    for use in (
        world.schedules.update(ADA, "S", {"priority": 1}),
        world.schedules.delete(ADA, "S"),
    ):
        with pytest.raises(ResourceInUse) as refused:
            await use
        assert refused.value.details == {"belongs_to": "pipe_table/T"}
    assert (await world.schedules.pause(ADA, "S")).next_at is None
    assert isinstance(await world.schedules.resume(ADA, "S"), Schedule)


async def test_every_deed_stands_in_the_audit_log(world):
    schedule = await world.create(ADA)
    await world.schedules.update(ADA, schedule.id, {"priority": 1}, "r1")
    await world.schedules.pause(ADA, schedule.id)
    await world.schedules.resume(ADA, schedule.id)
    await world.schedules.trigger(ADA, schedule.id)
    await world.schedules.delete(ADA, schedule.id)
    records = [record.entry for record in await world.store.operations.audit(TENANT)]
    assert [entry.action for entry in reversed(records)] == [
        "schedule.create",
        "schedule.update",
        "schedule.pause",
        "schedule.resume",
        "operation.create",
        "schedule.delete",
    ]
    assert records[-2] == AuditEntry(
        actor="ada", action="schedule.update", target=schedule.id, request_id="r1"
    )
