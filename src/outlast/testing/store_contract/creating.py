"""create and get."""
# ruff: noqa: D102, PLR2004  the name of a test is its sentence

import pytest

from outlast.operations import ids
from outlast.operations.errors import (
    IdempotencyMismatch,
    OperationIdTaken,
    OutlastError,
    ResourceExists,
    RevisionMismatch,
)
from outlast.operations.model import SECOND, Operation
from outlast.operations.states import Event, State
from outlast.store.port import AuditEntry, Created, Creation, Store
from outlast.testing.clock import ManualClock
from outlast.testing.store_contract.given import (
    KIND,
    MEMBER,
    TENANT,
    ContractFixtures,
    Given,
    put,
    wish,
)


class CreateContract(ContractFixtures):
    """What `create` and `get` promise."""

    async def test_a_new_operation_is_pending_and_has_its_first_event(
        self, given: Given, clock: ManualClock
    ) -> None:
        created = await given.create()
        assert created.is_new
        operation = created.operation
        assert operation == Operation(
            id=operation.id,
            tenant=TENANT,
            created_by=MEMBER,
            kind=KIND,
            kind_version="1",
            state=State.PENDING,
            revision=1,
            event_count=1,
            created_at=clock(),
            updated_at=clock(),
            available_at=clock(),
            attempt=0,
            attempts_max=1,
            priority=0,
            retention_seconds=30 * 86_400,
            spec=b'{"size":64}',
        )
        (event,) = await given.events(operation)
        assert (event.number, event.revision, event.type) == (1, 1, Event.CREATED)
        assert (event.at, event.attempt, event.actor, event.data) == (clock(), 0, MEMBER, {})

    async def test_what_was_created_is_there_for_another_store(
        self, given: Given, second_store: Store
    ) -> None:
        created = await given.create()
        found = await second_store.operations.get(TENANT, [created.operation.id])
        assert found == [created.operation]

    async def test_every_field_of_a_submission_is_kept(
        self, given: Given, clock: ManualClock
    ) -> None:
        submission = wish(
            kind_version="7",
            alias="my.own~name",
            labels={"team": "blue", "ünïcode": "☃"},
            project="p",
            project_version="v",
            resource_type="database",
            resource_id="r1",
            priority=-5,
            concurrency_key="r1",
            available_at=clock() + 5 * SECOND,
            deadline_at=clock() + 9 * SECOND,
            attempts_max=4,
            checkpoint=b"[1]",
            idempotency_key="key",
            fingerprint=b"\x00\xff",
            request_id="q",
            traceparent="00-1-2-03",
            parent_id=ids.make_id(clock(), 1),
            retention_seconds=60,
        )
        (created,) = await given.operations.create([Creation(submission=submission)])
        assert isinstance(created, Created)
        stored = await given.stored(created.operation)
        assert stored == created.operation
        for name in submission.__struct_fields__:
            assert getattr(stored, name) == getattr(submission, name), name

    @pytest.mark.parametrize("size", [1, 511, 512, 513, 5_000, 256 * 1024])
    async def test_documents_of_any_size_come_back_byte_for_byte(
        self, given: Given, size: int
    ) -> None:
        document = b'"' + b"x" * max(0, size - 2) + b'"'
        operation = await given.pending(spec=document, checkpoint=document)
        stored = await given.stored(operation)
        assert (stored.spec, stored.checkpoint) == (document, document)

    async def test_ids_sort_by_creation(self, given: Given) -> None:
        operations = [await given.pending() for _ in range(5)]
        names = [operation.id for operation in operations]
        assert names == sorted(names)
        assert all(ids.is_id(name) for name in names)

    async def test_answers_stand_in_the_order_of_the_creations(self, given: Given) -> None:
        creations = [Creation(submission=wish(priority=number)) for number in range(20)]
        answers = await given.operations.create(creations)
        created = [answer.operation for answer in answers if isinstance(answer, Created)]
        assert [operation.priority for operation in created] == list(range(20))
        assert await given.operations.create([]) == []

    async def test_an_id_that_the_caller_chose_is_kept(
        self, given: Given, clock: ManualClock
    ) -> None:
        chosen = ids.make_id(clock(), 42)
        created = await given.create(operation_id=chosen)
        assert created.operation.id == chosen

    async def test_the_same_key_with_the_same_fingerprint_gives_the_first_operation(
        self, given: Given
    ) -> None:
        first = await given.create(idempotency_key="k", fingerprint=b"1")
        again = await given.create(idempotency_key="k", fingerprint=b"1")
        assert again == Created(first.operation, is_new=False)
        assert await given.listed() == [first.operation.id]

    async def test_the_same_key_with_another_fingerprint_is_a_mismatch(self, given: Given) -> None:
        await given.create(idempotency_key="k", fingerprint=b"1")
        with pytest.raises(IdempotencyMismatch):
            await given.create(idempotency_key="k", fingerprint=b"2")
        assert len(await given.listed()) == 1

    async def test_a_key_gives_the_operation_as_it_stands_by_then(self, given: Given) -> None:
        ended = await given.ended(idempotency_key="k", fingerprint=b"1")
        again = await given.create(idempotency_key="k", fingerprint=b"1")
        assert again == Created(ended, is_new=False)

    async def test_keys_of_another_tenant_do_not_matter(self, given: Given) -> None:
        await given.create(idempotency_key="k", fingerprint=b"1")
        other = await given.create(tenant="other", idempotency_key="k", fingerprint=b"2")
        assert other.is_new

    async def test_a_key_lives_as_long_as_its_operation(self, given: Given) -> None:
        ended = await given.ended(idempotency_key="k", fingerprint=b"1")
        await given.operations.delete(TENANT, ended.id)
        assert (await given.create(idempotency_key="k", fingerprint=b"2")).is_new

    async def test_a_key_is_seen_within_its_own_batch(self, given: Given) -> None:
        creation = Creation(submission=wish(idempotency_key="k", fingerprint=b"1"))
        other = Creation(submission=wish(idempotency_key="k", fingerprint=b"2"))
        first, again, mismatch = await given.operations.create([creation, creation, other])
        assert isinstance(first, Created)
        assert first.is_new
        assert again == Created(first.operation, is_new=False)
        assert isinstance(mismatch, IdempotencyMismatch)

    async def test_the_same_alias_with_the_same_fingerprint_gives_the_first_operation(
        self, given: Given
    ) -> None:
        first = await given.create(alias="a", fingerprint=b"1")
        again = await given.create(alias="a", fingerprint=b"1")
        assert again == Created(first.operation, is_new=False)

    async def test_the_same_alias_with_another_fingerprint_is_taken(self, given: Given) -> None:
        await given.create(alias="a", fingerprint=b"1")
        with pytest.raises(OperationIdTaken):
            await given.create(alias="a", fingerprint=b"2")

    async def test_aliases_are_unique_only_within_their_tenant(self, given: Given) -> None:
        mine = await given.create(alias="a", fingerprint=b"1")
        theirs = await given.create(tenant="other", alias="a", fingerprint=b"2")
        assert theirs.is_new
        found = await given.operations.get(TENANT, ["a"])
        assert found == [mine.operation]

    async def test_a_chosen_id_with_the_same_fingerprint_gives_the_first_operation(
        self, given: Given, clock: ManualClock
    ) -> None:
        chosen = ids.make_id(clock(), 7)
        first = await given.create(operation_id=chosen, fingerprint=b"1")
        again = await given.create(operation_id=chosen, fingerprint=b"1")
        assert again == Created(first.operation, is_new=False)
        with pytest.raises(OperationIdTaken):
            await given.create(operation_id=chosen, fingerprint=b"2")

    async def test_a_chosen_id_of_another_tenant_is_taken_and_shows_nothing(
        self, given: Given, clock: ManualClock
    ) -> None:
        chosen = ids.make_id(clock(), 7)
        await given.create(operation_id=chosen, fingerprint=b"1")
        with pytest.raises(OperationIdTaken):
            await given.create(tenant="other", operation_id=chosen, fingerprint=b"1")

    async def test_the_idempotency_key_is_looked_at_before_the_alias(self, given: Given) -> None:
        keyed = await given.create(idempotency_key="k", fingerprint=b"1")
        await given.create(alias="a", fingerprint=b"1")
        again = await given.create(idempotency_key="k", alias="a", fingerprint=b"1")
        assert again == Created(keyed.operation, is_new=False)

    async def test_writes_are_made_with_the_operation(self, given: Given) -> None:
        await given.create(writes=[put("database", "d1", "main", expected=0)])
        resource = await given.catalog.read(TENANT, "database", "main")
        assert resource is not None
        assert (resource.id, resource.revision) == ("d1", 1)

    async def test_a_refused_write_leaves_neither_operation_nor_writes_nor_audit(
        self, given: Given
    ) -> None:
        await given.put("database", "d1", name="main")
        writes = [put("dataset", "x", "x", expected=0), put("database", "d2", "main", expected=0)]
        with pytest.raises(ResourceExists):
            await given.create(writes=writes, audit=AuditEntry(actor=MEMBER, action="create"))
        with pytest.raises(RevisionMismatch):
            await given.create(writes=[put("database", "d1", "main", expected=9)])
        assert await given.listed() == []
        assert await given.catalog.read(TENANT, "dataset", "x") is None
        assert await given.operations.audit(None) == []

    async def test_a_write_that_is_owned_names_the_new_operation(self, given: Given) -> None:
        writes = [
            put("file", "f1", fields={"purpose": "batch", "operation_id": "forged"}, owned=True),
            put("file", "f2", fields={"purpose": "batch"}),
        ]
        created = await given.create(writes=writes)
        owner = {"operation_id": created.operation.id}
        (mine,) = await given.catalog.find(TENANT, "file", fields=owner)
        assert (mine.id, mine.fields) == ("f1", {"purpose": "batch"} | owner)
        assert len(await given.catalog.find(TENANT, "file", fields={"purpose": "batch"})) == 2

    async def test_writes_are_not_repeated_for_an_operation_that_stands(self, given: Given) -> None:
        writes = [put("database", "d1", "main", expected=0)]
        await given.create(idempotency_key="k", writes=writes)
        again = await given.create(idempotency_key="k", writes=writes)
        assert not again.is_new

    async def test_a_refused_creation_does_not_touch_the_others(self, given: Given) -> None:
        await given.put("database", "d1", name="main")
        creations = [
            Creation(submission=wish(alias="a")),
            Creation(submission=wish(), writes=[put("database", "d2", "main", expected=0)]),
            Creation(submission=wish(alias="c")),
        ]
        first, refused, third = await given.operations.create(creations)
        assert isinstance(first, Created)
        assert isinstance(refused, ResourceExists)
        assert isinstance(third, Created)
        assert set(await given.listed()) == {first.operation.id, third.operation.id}

    async def test_what_cannot_be_stored_fails_alone(self, given: Given) -> None:
        poison = Creation(submission=wish(project="\ud800"))
        good = [Creation(submission=wish()) for _ in range(3)]
        first, guilty, *others = await given.operations.create([good[0], poison, *good[1:]])
        assert isinstance(guilty, OutlastError)
        assert all(isinstance(answer, Created) for answer in (first, *others))
        assert len(await given.listed()) == 3

    async def test_an_audit_entry_names_the_operation_it_created(
        self, given: Given, clock: ManualClock
    ) -> None:
        entry = AuditEntry(actor=MEMBER, action="create", request_id="q", data={"kind": KIND})
        created = await given.create(audit=entry, idempotency_key="k")
        await given.create(audit=entry, idempotency_key="k")
        (record,) = await given.operations.audit(TENANT)
        assert (record.at, record.tenant) == (clock(), TENANT)
        assert record.entry.target == created.operation.id
        assert (record.entry.actor, record.entry.action) == (MEMBER, "create")
        assert (record.entry.request_id, record.entry.data) == ("q", {"kind": KIND})

    async def test_get_answers_in_order_and_none_for_what_is_not_there(self, given: Given) -> None:
        first = await given.pending(alias="a")
        second = await given.pending()
        found = await given.operations.get(TENANT, [second.id, "nothing", "a", first.id, ""])
        assert found == [second, None, first, first, None]
        assert await given.operations.get(TENANT, []) == []

    async def test_get_shows_a_tenant_nothing_of_another(self, given: Given) -> None:
        mine = await given.pending(alias="a")
        assert await given.operations.get("other", [mine.id, "a"]) == [None, None]

    async def test_get_without_a_tenant_crosses_tenants_but_knows_no_aliases(
        self, given: Given
    ) -> None:
        mine = await given.pending(alias="a")
        theirs = await given.pending(tenant="other")
        found = await given.operations.get(None, [mine.id, theirs.id, "a"])
        assert found == [mine, theirs, None]

    async def test_an_operation_is_found_by_the_key_it_was_created_under(
        self, given: Given
    ) -> None:
        big = b'"' + b"s" * 4_000 + b'"'
        keyed = await given.pending(idempotency_key="k", spec=big)
        assert await given.operations.find_by_key(TENANT, "k") == keyed
        assert await given.operations.find_by_key(TENANT, "other") is None
        assert await given.operations.find_by_key("other", "k") is None

    async def test_an_id_is_found_before_an_alias_of_the_same_text(self, given: Given) -> None:
        first = await given.pending()
        await given.pending(alias=first.id)
        assert await given.operations.get(TENANT, [first.id]) == [first]
