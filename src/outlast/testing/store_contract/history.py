"""events, append_log, log and audit."""
# ruff: noqa: D102  the name of a test is its sentence

import asyncio

import pytest

from outlast.operations.errors import LeaseLost
from outlast.operations.states import State
from outlast.store.port import AuditEntry, Held, LogLine
from outlast.testing.clock import ManualClock
from outlast.testing.store_contract.given import (
    MEMBER,
    TENANT,
    ContractFixtures,
    Given,
    ending,
    held,
    noting,
    releasing,
)


class HistoryContract(ContractFixtures):
    """What history, logs and the audit log promise."""

    async def test_events_come_in_order_after_a_number(self, given: Given) -> None:
        operation = await given.running()
        for number in range(4):
            await given.change(operation, noting(operation, f"note{number}"))
        every = await given.events(operation)
        assert [event.number for event in every] == [1, 2, 3, 4, 5, 6]
        assert await given.operations.events(operation.id, after=4) == every[4:]
        assert await given.operations.events(operation.id, after=1, limit=2) == every[1:3]
        assert await given.operations.events(operation.id, after=6) == []
        assert await given.operations.events("nothing") == []

    async def test_an_event_of_the_handler_keeps_its_data(self, given: Given) -> None:
        operation = await given.running()
        changed = await given.change(operation, noting(operation, "loss"))
        event = (await given.events(operation))[-1]
        assert (event.type, event.data) == ("loss", {"name": "loss"})
        assert (event.attempt, event.actor, event.revision) == (1, "w1", changed.revision)

    async def test_log_lines_are_numbered_and_come_in_order(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.running()
        lease = held(operation)
        assert await given.operations.append_log(lease, [(clock(), "one"), (clock(), "")], 1000)
        assert await given.operations.append_log(lease, [(clock() + 1, "thrée")], 1000)
        lines = await given.operations.log(operation.id)
        assert lines == [
            LogLine(number=1, at=clock(), attempt=1, text="one"),
            LogLine(number=2, at=clock(), attempt=1, text=""),
            LogLine(number=3, at=clock() + 1, attempt=1, text="thrée"),
        ]
        assert await given.operations.log(operation.id, after=1, limit=1) == lines[1:2]
        assert await given.operations.log("nothing") == []

    async def test_a_log_goes_on_in_the_next_attempt(self, given: Given) -> None:
        operation = await given.running(attempts_max=2)
        await given.operations.append_log(held(operation), [(1, "first")], 1000)
        await given.change(operation, releasing(operation))
        (again,) = await given.claimed()
        await given.operations.append_log(held(again), [(2, "second")], 1000)
        lines = await given.operations.log(operation.id)
        assert [(line.number, line.text) for line in lines] == [(1, "first"), (2, "second")]

    async def test_a_log_holds_no_more_than_its_limit(self, given: Given) -> None:
        operation = await given.running()
        lease = held(operation)
        assert await given.operations.append_log(lease, [(1, "12345")], 10)
        assert not await given.operations.append_log(lease, [(2, "123"), (3, "é12"), (4, "x")], 10)
        assert not await given.operations.append_log(lease, [(5, "12345")], 10)
        lines = await given.operations.log(operation.id)
        assert [line.text for line in lines] == ["12345", "123"]

    async def test_a_full_log_does_not_keep_the_operation_from_ending(self, given: Given) -> None:
        operation = await given.running()
        assert not await given.operations.append_log(held(operation), [(1, "too long")], 1)
        ended = await given.change(operation, ending(operation, State.SUCCEEDED))
        assert ended.state is State.SUCCEEDED

    async def test_nobody_logs_under_a_lost_lease(self, given: Given) -> None:
        operation = await given.running()
        lease = held(operation)
        await given.change(operation, releasing(operation))
        for id_, token in ((operation.id, lease.token), (operation.id, "x"), ("nothing", "x")):
            stale = Held(id=id_, token=token)
            with pytest.raises(LeaseLost):
                await given.operations.append_log(stale, [(1, "late")], 1000)
        await given.claimed()
        with pytest.raises(LeaseLost):
            await given.operations.append_log(lease, [(1, "late")], 1000)
        assert await given.operations.log(operation.id) == []

    async def test_logging_changes_no_revision(self, given: Given) -> None:
        operation = await given.running()
        await given.operations.append_log(held(operation), [(1, "line")], 1000)
        assert await given.stored(operation) == operation

    async def test_lines_that_many_callers_add_at_once_are_all_kept(self, given: Given) -> None:
        operation = await given.running()
        lease = held(operation)
        await asyncio.gather(
            *[given.operations.append_log(lease, [(1, f"line{n}")], 1000) for n in range(30)]
        )
        lines = await given.operations.log(operation.id)
        assert [line.number for line in lines] == list(range(1, 31))
        assert {line.text for line in lines} == {f"line{number}" for number in range(30)}

    async def test_an_audit_entry_may_belong_to_another_tenant_than_what_it_is_about(
        self, given: Given
    ) -> None:
        entry = AuditEntry(tenant="root", actor=MEMBER, action="create")
        await given.create(audit=entry)
        assert await given.operations.audit(TENANT) == []
        (record,) = await given.operations.audit("root")
        assert (record.tenant, record.entry.actor) == ("root", MEMBER)

    async def test_audit_records_come_newest_first_and_each_tenant_sees_its_own(
        self, given: Given
    ) -> None:
        for tenant in (TENANT, "other", TENANT):
            await given.create(tenant=tenant, audit=AuditEntry(actor=MEMBER, action="create"))
        every = await given.operations.audit(None)
        assert [record.tenant for record in every] == [TENANT, "other", TENANT]
        numbers = [record.number for record in every]
        assert numbers == sorted(set(numbers), reverse=True)
        mine = await given.operations.audit(TENANT)
        assert mine == [every[0], every[2]]
        assert await given.operations.audit(TENANT, limit=1) == mine[:1]
        assert await given.operations.audit(TENANT, before=mine[0].number) == mine[1:]
        assert await given.operations.audit(None, before=every[-1].number) == []

    async def test_old_audit_records_are_pruned_oldest_first_and_no_more_than_asked_for(
        self, given: Given, clock: ManualClock
    ) -> None:
        for _ in range(3):
            await given.create(audit=AuditEntry(actor=MEMBER, action="create"))
        clock.advance(60)
        kept = given.operations.now()
        await given.create(audit=AuditEntry(actor=MEMBER, action="create"))
        every = await given.operations.audit(None)
        assert await given.operations.prune_audit(kept, 2) == len(every[2:4])
        assert await given.operations.audit(None) == every[:2]
        assert await given.operations.prune_audit(kept, 2) == 1
        assert await given.operations.prune_audit(kept, 2) == 0
        assert await given.operations.audit(None) == every[:1]
