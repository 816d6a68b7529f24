"""apply and delete."""
# ruff: noqa: D102, PLR2004  the name of a test is its sentence

import asyncio

import pytest

from outlast.operations import transitions
from outlast.operations.errors import (
    IllegalTransition,
    LeaseLost,
    NotFound,
    NotTerminal,
    OutlastError,
    ResourceExists,
)
from outlast.operations.failure import Failure
from outlast.operations.model import Operation, Transition
from outlast.operations.states import Event, State
from outlast.store.port import AuditEntry, Change
from outlast.testing.clock import ManualClock
from outlast.testing.store_contract.given import (
    FATAL,
    KIND,
    MEMBER,
    RETRYABLE,
    TENANT,
    ContractFixtures,
    Given,
    cancelling,
    ending,
    held,
    noting,
    put,
    releasing,
    reporting,
    retrying,
    saving,
)

TERMINAL = [state for state in State if state.is_terminal]


class ApplyContract(ContractFixtures):
    """What `apply` and `delete` promise."""

    async def test_a_decision_sees_the_stored_operation_and_the_time_of_the_store(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.pending()
        seen = []

        def decide(stored: Operation, now: int) -> Transition:
            seen.append((stored, now))
            return Transition(stored)

        clock.advance(3)
        await given.change(operation, decide)
        assert seen == [(operation, clock())]

    @pytest.mark.parametrize("state", TERMINAL)
    async def test_an_ending_is_stored_with_its_event(
        self, given: Given, clock: ManualClock, state: State
    ) -> None:
        ended = await given.ended(state)
        assert await given.stored(ended) == ended
        assert ended.state is state
        assert ended.lease is None
        assert ended.finished_at == clock()
        assert ended.result == (b'"done"' if state is State.SUCCEEDED else None)
        assert ended.failure == (FATAL if state is State.FAILED else None)
        events = await given.events(ended)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        assert (events[-1].type, events[-1].revision) == (state.value, ended.revision)

    @pytest.mark.parametrize("state", TERMINAL)
    async def test_cancel_of_an_ended_operation_changes_nothing(
        self, given: Given, clock: ManualClock, state: State
    ) -> None:
        ended = await given.ended(state)
        before = await given.events(ended)
        clock.advance(1)
        audit = AuditEntry(actor=MEMBER, action="cancel")
        with pytest.raises(IllegalTransition):
            await given.change(ended, cancelling, writes=[put("t", "1")], audit=audit)
        assert await given.stored(ended) == ended
        assert await given.events(ended) == before
        assert await given.catalog.read(TENANT, "t", "1") is None
        assert await given.operations.audit(None) == []

    async def test_cancel_of_a_pending_operation_ends_it(self, given: Given) -> None:
        operation = await given.pending()
        cancelled = await given.change(operation, cancelling)
        assert cancelled.state is State.CANCELLED
        assert await given.claim() == []

    async def test_cancel_of_a_running_operation_asks_it_to_stop(self, given: Given) -> None:
        operation = await given.running()
        asked = await given.change(operation, cancelling)
        assert (asked.state, asked.lease) == (State.RUNNING, operation.lease)
        assert asked.cancel_requested_at is not None
        again = await given.change(operation, cancelling)
        assert again == asked

    async def test_nobody_changes_what_is_not_there(self, given: Given) -> None:
        operation = await given.pending()
        for id_, tenant in ((operation.id, "other"), ("nothing", TENANT), ("nothing", None)):
            change = Change(id=id_, tenant=tenant, decide=cancelling)
            (answer,) = await given.operations.apply([change])
            assert isinstance(answer, NotFound)
        assert await given.stored(operation) == operation
        assert await given.operations.apply([]) == []

    async def test_an_unchanged_operation_writes_nothing(self, given: Given) -> None:
        operation = await given.pending()
        same = await given.change(
            operation,
            lambda stored, _: Transition(stored),
            writes=[put("t", "1")],
            audit=AuditEntry(actor=MEMBER, action="nothing"),
        )
        assert same == operation
        assert await given.stored(operation) == operation
        assert len(await given.events(operation)) == 1
        assert await given.catalog.read(TENANT, "t", "1") is None
        assert await given.operations.audit(None) == []

    async def test_changes_of_one_operation_are_taken_in_the_order_given(
        self, given: Given
    ) -> None:
        operation = await given.running()
        decisions = [*[noting(operation, f"note{number}") for number in range(5)]]
        decisions += [ending(operation, State.SUCCEEDED), noting(operation, "late")]
        changes = [Change(id=operation.id, tenant=None, decide=decide) for decide in decisions]
        *answers, late = await given.operations.apply(changes)
        revisions = [answer.revision for answer in answers if isinstance(answer, Operation)]
        assert revisions == [3, 4, 5, 6, 7, 8]
        assert isinstance(late, LeaseLost)
        types = [event.type for event in await given.events(operation)]
        assert types[2:] == ["note0", "note1", "note2", "note3", "note4", "succeeded"]

    @pytest.mark.parametrize("count", [2, 4, 16, 64])
    @pytest.mark.parametrize("size", [10, 5_000])
    async def test_the_last_of_many_changes_of_one_operation_stands(
        self, given: Given, count: int, size: int
    ) -> None:
        operation = await given.running()
        documents = [b'"' + b"%d" % number * size + b'"' for number in range(count)]
        changes = [
            Change(id=operation.id, tenant=None, decide=decide)
            for number, document in enumerate(documents)
            for decide in (saving(operation, document), noting(operation, f"note{number}"))
        ]
        changes.append(changes[0])
        *_, last = await given.operations.apply(changes)
        assert isinstance(last, Operation)
        assert (last.revision, last.event_count) == (3 + 2 * count, 2 + count)
        assert last.checkpoint == documents[0]
        assert await given.stored(operation) == last
        assert len(await given.events(operation)) == last.event_count

    async def test_changes_that_many_callers_make_at_once_are_all_kept(self, given: Given) -> None:
        operation = await given.running()
        decisions = [noting(operation, f"note{number}") for number in range(30)]
        await asyncio.gather(*[given.change(operation, decide) for decide in decisions])
        events = await given.events(operation)
        assert [event.number for event in events] == list(range(1, 33))
        assert [event.revision for event in events] == list(range(1, 33))
        assert (await given.stored(operation)).event_count == 32

    async def test_a_refused_change_does_not_touch_the_others(self, given: Given) -> None:
        running = await given.running()
        ended = await given.ended(kind="other")
        changes = [
            Change(id=ended.id, tenant=None, decide=cancelling),
            Change(id=running.id, tenant=None, decide=noting(running, "kept")),
        ]
        refused, kept = await given.operations.apply(changes)
        assert isinstance(refused, IllegalTransition)
        assert isinstance(kept, Operation)
        assert (await given.events(running))[-1].type == "kept"

    async def test_a_decision_that_breaks_fails_alone(self, given: Given) -> None:
        operations = [await given.pending() for _ in range(3)]

        def broken(stored: Operation, now: int) -> Transition:
            raise ZeroDivisionError(f"{stored.id} {now}")

        decisions = [cancelling, broken, cancelling]
        changes = [
            Change(id=operation.id, tenant=None, decide=decide)
            for operation, decide in zip(operations, decisions, strict=True)
        ]
        first, guilty, third = await given.operations.apply(changes)
        assert isinstance(first, Operation)
        assert isinstance(guilty, OutlastError)
        assert isinstance(third, Operation)
        states = [(await given.stored(operation)).state for operation in operations]
        assert states == [State.CANCELLED, State.PENDING, State.CANCELLED]

    async def test_callers_that_share_a_transaction_with_a_broken_one_are_answered(
        self, given: Given
    ) -> None:
        def broken(stored: Operation, now: int) -> Transition:
            raise ZeroDivisionError(f"{stored.id} {now}")

        operations = [await given.pending() for _ in range(20)]
        answers = await asyncio.gather(
            *[
                given.change(operation, broken if number == 7 else cancelling)
                for number, operation in enumerate(operations)
            ],
            return_exceptions=True,
        )
        assert [
            number for number, answer in enumerate(answers) if isinstance(answer, OutlastError)
        ] == [7]
        events = [await given.events(operation) for operation in operations]
        assert [len(each) for each in events] == [2] * 7 + [1] + [2] * 12

    async def test_writes_are_made_with_the_change(self, given: Given) -> None:
        operation = await given.running()
        writes = [put("dataset", "d1", "words", b"[1]", expected=0)]
        await given.change(operation, ending(operation, State.SUCCEEDED), writes=writes)
        resource = await given.catalog.read(TENANT, "dataset", "words")
        assert resource is not None
        assert resource.document == b"[1]"

    async def test_a_write_that_is_owned_names_the_changed_operation(self, given: Given) -> None:
        operation = await given.running()
        write = put("file", "f1", owned=True)
        await given.change(operation, ending(operation, State.SUCCEEDED), writes=[write])
        found = await given.catalog.read(TENANT, "file", "f1")
        assert found is not None
        assert found.fields == {"operation_id": operation.id}

    async def test_writes_belong_to_the_tenant_of_the_operation(self, given: Given) -> None:
        operation = await given.running(tenant="other")
        await given.change(operation, cancelling, writes=[put("t", "1")])
        assert await given.catalog.read("other", "t", "1") is not None
        assert await given.catalog.read(TENANT, "t", "1") is None

    async def test_a_refused_write_leaves_the_operation_as_it_was(self, given: Given) -> None:
        await given.put("dataset", "d1", name="words")
        operation = await given.running()
        writes = [put("other", "x"), put("dataset", "d2", "words", expected=0)]
        audit = AuditEntry(actor=MEMBER, action="succeed")
        with pytest.raises(ResourceExists):
            await given.change(
                operation, ending(operation, State.SUCCEEDED), writes=writes, audit=audit
            )
        assert await given.stored(operation) == operation
        assert len(await given.events(operation)) == 2
        assert await given.catalog.read(TENANT, "other", "x") is None
        assert await given.operations.audit(None) == []

    async def test_a_stale_lease_makes_no_writes(self, given: Given) -> None:
        operation = await given.running(attempts_max=3)
        await given.change(operation, releasing(operation))
        with pytest.raises(LeaseLost):
            await given.change(
                operation, ending(operation, State.SUCCEEDED), writes=[put("t", "1")]
            )
        assert await given.catalog.read(TENANT, "t", "1") is None

    async def test_an_audit_entry_is_written_with_the_change(self, given: Given) -> None:
        operation = await given.pending()
        entry = AuditEntry(actor="eve", action="cancel", target="somewhere")
        await given.change(operation, cancelling, audit=entry)
        (record,) = await given.operations.audit(TENANT)
        assert record.entry == entry

    async def test_documents_grow_and_shrink(self, given: Given) -> None:
        operation = await given.running(spec=b'"' + b"s" * 9_000 + b'"')
        for size in (10, 4_000, 100, 1_000_000, 600, 0):
            document = b'"' + b"c" * size + b'"'
            await given.change(operation, saving(operation, document))
            stored = await given.stored(operation)
            assert stored.checkpoint == document
            assert stored.spec == operation.spec

    async def test_reports_and_checkpoints_raise_the_revision_and_leave_no_event(
        self, given: Given
    ) -> None:
        operation = await given.running()
        await given.change(operation, reporting(operation, done=1, total=4, message="m" * 600))
        changed = await given.change(operation, saving(operation, b"[1]"))
        stored = await given.stored(operation)
        assert stored == changed
        assert stored.revision == operation.revision + 2
        assert stored.progress is not None
        assert (stored.progress.done, stored.progress.message) == (1, "m" * 600)
        assert len(await given.events(operation)) == 2

    async def test_a_failure_is_kept_with_all_that_it_says(self, given: Given) -> None:
        failure = Failure(
            code="bad_input",
            message="x" * 700,
            fault="user",
            retry_after_seconds=1.5,
            field_errors={"size": "too small"},
            details={"at": [1, 2], "deep": {"x": None}},
            cause=RETRYABLE,
        )
        operation = await given.running()
        token = held(operation).token
        await given.change(
            operation, lambda stored, now: transitions.fail(stored, token, failure, 0, now)
        )
        assert (await given.stored(operation)).failure == failure

    async def test_a_retry_keeps_the_checkpoint_for_the_next_attempt(
        self, given: Given, clock: ManualClock
    ) -> None:
        operation = await given.running(attempts_max=2)
        await given.change(operation, saving(operation, b"[7]"))
        waiting = await given.change(operation, retrying(operation, 10))
        assert (waiting.state, waiting.attempt) == (State.PENDING, 1)
        clock.advance(10)
        (again,) = await given.claimed(KIND)
        assert (again.id, again.attempt, again.checkpoint) == (operation.id, 2, b"[7]")
        events = [event.type for event in await given.events(operation)]
        assert events == [Event.CREATED, Event.CLAIMED, Event.RETRY_SCHEDULED, Event.CLAIMED]

    @pytest.mark.parametrize("state", TERMINAL)
    async def test_a_deleted_operation_is_gone_with_all_that_is_theirs(
        self, given: Given, state: State
    ) -> None:
        big = b'"' + b"s" * 9_000 + b'"'
        operation = await given.running(alias="a", labels={"x": "y"}, spec=big)
        await given.operations.append_log(held(operation), [(1, "line")], 1000)
        await given.change(operation, cancelling)
        ended = await given.change(operation, ending(operation, state))
        assert await given.operations.delete(TENANT, "a") == ended
        assert not await given.exists(ended)
        assert await given.operations.get(TENANT, ["a"]) == [None]
        assert await given.listed(labels={"x": "y"}) == []
        assert await given.events(ended) == []
        assert await given.operations.log(ended.id) == []

    async def test_only_an_operation_that_has_ended_can_be_deleted(self, given: Given) -> None:
        running = await given.running()
        pending = await given.pending()
        for operation in (running, pending):
            with pytest.raises(NotTerminal):
                await given.operations.delete(TENANT, operation.id)
            assert await given.stored(operation) == operation

    async def test_nobody_deletes_what_is_not_theirs(self, given: Given) -> None:
        ended = await given.ended(alias="a")
        for tenant, ref in (("other", ended.id), ("other", "a"), (TENANT, "nothing")):
            with pytest.raises(NotFound):
                await given.operations.delete(tenant, ref)
        assert await given.exists(ended)

    async def test_a_deletion_is_audited(self, given: Given) -> None:
        ended = await given.ended(alias="a")
        await given.operations.delete(TENANT, "a", AuditEntry(actor="eve", action="delete"))
        (record,) = await given.operations.audit(TENANT)
        assert (record.entry.actor, record.entry.target) == ("eve", ended.id)
