"""The port of resources."""
# ruff: noqa: D102, PLR2004  the name of a test is its sentence

import asyncio

import pytest

from outlast.operations.errors import Invalid, ResourceExists, RevisionMismatch
from outlast.operations.kind import Resource
from outlast.store.port import AuditEntry, Creation, Store
from outlast.testing.clock import ManualClock
from outlast.testing.store_contract.given import (
    MEMBER,
    TENANT,
    ContractFixtures,
    Given,
    put,
    wish,
)


class CatalogContract(ContractFixtures):
    """What the catalog promises."""

    async def test_a_resource_is_read_by_id_or_by_name(
        self, given: Given, clock: ManualClock
    ) -> None:
        write = put("dataset", "d1", "words", b'{"rows":3}', fields={"format": "csv"})
        (written,) = await given.catalog.write(TENANT, [write])
        assert written == Resource(
            tenant=TENANT,
            type="dataset",
            id="d1",
            name="words",
            document=b'{"rows":3}',
            revision=1,
            created_at=clock(),
            updated_at=clock(),
            fields={"format": "csv"},
        )
        assert await given.catalog.read(TENANT, "dataset", "d1") == written
        assert await given.catalog.read(TENANT, "dataset", "words") == written

    async def test_nothing_is_read_of_other_tenants_and_types(
        self, given: Given, second_store: Store
    ) -> None:
        await given.put("dataset", "d1", name="words")
        assert await second_store.catalog.read(TENANT, "dataset", "d1") is not None
        for tenant, type_ in (("other", "dataset"), (TENANT, "file")):
            assert await given.catalog.read(tenant, type_, "d1") is None
            assert await given.catalog.read(tenant, type_, "words") is None
            assert await given.catalog.find(tenant, type_) == []

    async def test_an_id_is_found_before_a_name_of_the_same_text(self, given: Given) -> None:
        await given.put("dataset", "a", name="b")
        await given.put("dataset", "b", name="c")
        found = await given.catalog.read(TENANT, "dataset", "b")
        assert found is not None
        assert found.id == "b"

    async def test_each_write_counts_the_revision_and_keeps_the_creation(
        self, given: Given, clock: ManualClock
    ) -> None:
        await given.put("dataset", "d1", name="words", document=b"1", fields={"a": "1"})
        created_at = clock()
        clock.advance(1)
        write = put("dataset", "d1", "phrases", b"2", fields={"b": "2"})
        (written,) = await given.catalog.write(TENANT, [write])
        assert (written.revision, written.created_at, written.updated_at) == (
            2,
            created_at,
            clock(),
        )
        assert (written.name, written.document, written.fields) == ("phrases", b"2", {"b": "2"})
        assert await given.catalog.read(TENANT, "dataset", "phrases") == written
        assert await given.catalog.read(TENANT, "dataset", "words") is None
        assert await given.catalog.find(TENANT, "dataset", fields={"a": "1"}) == []

    async def test_many_resources_may_have_no_name(self, given: Given) -> None:
        await given.put("token", "t1")
        await given.put("token", "t2")
        assert await given.catalog.read(TENANT, "token", "") is None
        assert len(await given.catalog.find(TENANT, "token")) == 2

    async def test_a_large_document_of_a_resource_comes_back_byte_for_byte(
        self, given: Given
    ) -> None:
        document = b'"' + b"x" * 300_000 + b'"'
        await given.put("dataset", "d1", document=document)
        found = await given.catalog.read(TENANT, "dataset", "d1")
        assert found is not None
        assert found.document == document

    async def test_a_write_that_expects_nothing_there_is_refused_by_id_and_by_name(
        self, given: Given
    ) -> None:
        await given.put("dataset", "d1", name="words")
        for id_, name in (("d1", "other"), ("d2", "words")):
            with pytest.raises(ResourceExists):
                await given.catalog.write(TENANT, [put("dataset", id_, name, expected=0)])
        assert len(await given.catalog.find(TENANT, "dataset")) == 1

    async def test_a_write_that_expects_a_revision_is_refused_at_any_other(
        self, given: Given
    ) -> None:
        await given.put("dataset", "d1")
        await given.catalog.write(TENANT, [put("dataset", "d1", expected=1)])
        for id_, expected in (("d1", 1), ("d1", 3), ("d2", 1)):
            for document in (b"{}", None):
                write = put("dataset", id_, document=document, expected=expected)
                with pytest.raises(RevisionMismatch):
                    await given.catalog.write(TENANT, [write])
        found = await given.catalog.read(TENANT, "dataset", "d1")
        assert found is not None
        assert found.revision == 2

    @pytest.mark.parametrize("expected", [None, 1])
    async def test_no_write_takes_the_name_of_another(
        self, given: Given, expected: int | None
    ) -> None:
        await given.put("dataset", "d1", name="words")
        await given.put("dataset", "d2", name="phrases")
        with pytest.raises(ResourceExists):
            await given.catalog.write(TENANT, [put("dataset", "d2", "words", expected=expected)])
        found = await given.catalog.read(TENANT, "dataset", "d2")
        assert found is not None
        assert (found.name, found.revision) == ("phrases", 1)

    async def test_a_deleted_resource_is_gone_and_its_name_is_free(self, given: Given) -> None:
        await given.put("dataset", "d1", name="words", fields={"a": "1"})
        (deleted,) = await given.catalog.write(
            TENANT, [put("dataset", "d1", document=None, expected=1)]
        )
        assert (deleted.id, deleted.name, deleted.revision) == ("d1", "words", 1)
        assert await given.catalog.read(TENANT, "dataset", "d1") is None
        assert await given.catalog.find(TENANT, "dataset", fields={"a": "1"}) == []
        (again,) = await given.catalog.write(TENANT, [put("dataset", "d2", "words", expected=0)])
        assert again.revision == 1

    async def test_to_delete_what_is_not_there_is_no_error(self, given: Given) -> None:
        assert await given.catalog.write(TENANT, [put("dataset", "d1", document=None)]) == []
        assert await given.catalog.write(TENANT, []) == []

    async def test_writes_of_one_call_see_each_other_in_order(self, given: Given) -> None:
        written = await given.catalog.write(
            TENANT,
            [
                put("dataset", "d1", "words", expected=0),
                put("dataset", "d1", "phrases", expected=1),
                put("dataset", "d2", "words", expected=0),
                put("dataset", "d1", document=None, expected=2),
                put("dataset", "d3", "phrases", expected=0),
            ],
        )
        assert [(each.id, each.name, each.revision) for each in written] == [
            ("d1", "words", 1),
            ("d1", "phrases", 2),
            ("d2", "words", 1),
            ("d1", "phrases", 2),
            ("d3", "phrases", 1),
        ]
        found = await given.catalog.find(TENANT, "dataset")
        assert [(each.id, each.name) for each in found] == [("d3", "phrases"), ("d2", "words")]

    async def test_all_writes_of_a_call_are_kept_or_none(self, given: Given) -> None:
        await given.put("dataset", "d1", name="words", document=b"1", fields={"a": "1"})
        writes = [
            put("file", "f1", "f"),
            put("dataset", "d1", "phrases", b"2"),
            put("dataset", "d1", document=None),
            put("dataset", "d9", expected=4),
        ]
        with pytest.raises(RevisionMismatch):
            await given.catalog.write(TENANT, writes, AuditEntry(actor=MEMBER, action="write"))
        (found,) = await given.catalog.find(TENANT, "dataset", fields={"a": "1"})
        assert (found.name, found.document, found.revision) == ("words", b"1", 1)
        assert await given.catalog.read(TENANT, "file", "f1") is None
        assert await given.operations.audit(None) == []

    async def test_what_is_written_without_an_operation_is_not_owned_by_one(
        self, given: Given
    ) -> None:
        with pytest.raises(Invalid):
            await given.catalog.write(TENANT, [put("file", "f1", owned=True)])
        assert await given.catalog.read(TENANT, "file", "f1") is None

    async def test_one_of_many_who_want_a_name_at_once_gets_it(
        self, given: Given, second_store: Store
    ) -> None:
        answers = await asyncio.gather(
            *[
                catalog.write(TENANT, [put("dataset", f"d{number}{letter}", "words", expected=0)])
                for number in range(10)
                for letter, catalog in (("a", given.catalog), ("b", second_store.catalog))
            ],
            return_exceptions=True,
        )
        refusals = [answer for answer in answers if isinstance(answer, ResourceExists)]
        assert len(refusals) == 19
        assert len(await given.catalog.find(TENANT, "dataset")) == 1

    async def test_a_write_can_be_audited(self, given: Given) -> None:
        entry = AuditEntry(actor=MEMBER, action="put", target="d1")
        await given.catalog.write(TENANT, [put("dataset", "d1")], entry)
        (record,) = await given.operations.audit(TENANT)
        assert record.entry == entry

    async def test_what_is_due_is_found_in_all_tenants_the_earliest_first(
        self, given: Given, clock: ManualClock, second_store: Store
    ) -> None:
        now = clock()
        for number, due_at in enumerate((now + 1, now, None, now - 5, now - 3)):
            await given.catalog.write(
                f"tenant{number}", [put("schedule", f"s{number}", due_at=due_at)]
            )
        await given.catalog.write(TENANT, [put("file", "f1", due_at=now)])
        found = await second_store.catalog.due("schedule", now, 10)
        assert [(each.tenant, each.id, each.due_at) for each in found] == [
            ("tenant3", "s3", now - 5),
            ("tenant4", "s4", now - 3),
            ("tenant1", "s1", now),
        ]
        assert await given.catalog.due("schedule", now, 1) == found[:1]
        assert await given.catalog.read("tenant3", "schedule", "s3") == found[0]

    async def test_what_is_put_off_or_deleted_is_no_longer_due(
        self, given: Given, clock: ManualClock
    ) -> None:
        now = clock()
        for id_ in ("s1", "s2", "s3"):
            await given.put("schedule", id_, due_at=now)
        await given.put("schedule", "s1", due_at=now + 1, expected=1)
        await given.put("schedule", "s2")
        await given.put("schedule", "s3", document=None)
        assert await given.catalog.due("schedule", now, 10) == []
        (found,) = await given.catalog.due("schedule", now + 1, 10)
        assert (found.id, found.revision) == ("s1", 2)

    async def test_of_many_who_put_off_what_is_due_one_makes_the_operation(
        self, given: Given, clock: ManualClock, second_store: Store
    ) -> None:
        await given.put("schedule", "s1", due_at=clock())
        put_off = put("schedule", "s1", due_at=clock() + 60, expected=1)
        creation = Creation(submission=wish(), writes=[put_off])
        answers = await asyncio.gather(
            *[
                operations.create([creation])
                for operations in (given.operations, second_store.operations)
                for _ in range(5)
            ]
        )
        refused = [answer for (answer,) in answers if isinstance(answer, RevisionMismatch)]
        assert len(refused) == 9
        assert len(await given.listed()) == 1

    async def test_a_list_has_descending_ids_and_pages(self, given: Given) -> None:
        for number in range(5):
            await given.put("dataset", f"d{number}", fields={"a": "1"})
        await given.put("file", "d9")
        for fields in (None, {}, {"a": "1"}):
            first = await given.catalog.find(TENANT, "dataset", fields=fields, limit=3)
            rest = await given.catalog.find(
                TENANT, "dataset", fields=fields, before_id=first[-1].id, limit=3
            )
            assert [each.id for each in first + rest] == ["d4", "d3", "d2", "d1", "d0"]

    async def test_a_list_can_ascend_from_an_id(self, given: Given) -> None:
        for number in range(5):
            await given.put("dataset", f"d{number}", fields={"a": "1", "b": "2"})
        await given.put("file", "d9")
        for fields in (None, {"a": "1"}, {"a": "1", "b": "2"}):
            first = await given.catalog.find(TENANT, "dataset", fields=fields, after_id="", limit=3)
            rest = await given.catalog.find(
                TENANT, "dataset", fields=fields, after_id=first[-1].id, limit=3
            )
            assert [each.id for each in first + rest] == ["d0", "d1", "d2", "d3", "d4"]

    async def test_what_is_in_a_list_is_counted_as_far_as_is_asked(self, given: Given) -> None:
        for number in range(5):
            await given.put("dataset", f"d{number}", fields={"a": "1", "b": str(number % 2)})
        await given.put("file", "d9", fields={"a": "1"})
        counted = [
            await given.catalog.count(TENANT, "dataset", fields=fields, limit=limit)
            for fields, limit in (
                (None, 9),
                (None, 3),
                ({"a": "1"}, 9),
                ({"a": "1"}, 2),
                ({"a": "1", "b": "1"}, 9),
                ({"c": "1"}, 9),
            )
        ]
        assert counted == [5, 3, 5, 2, 2, 0]
        assert await given.catalog.count("away", "dataset", limit=9) == 0

    async def test_a_list_shows_what_has_all_the_given_fields(self, given: Given) -> None:
        await given.put("dataset", "d1", fields={"a": "1", "b": "1"})
        await given.put("dataset", "d2", fields={"a": "1", "b": "2"})
        await given.put("dataset", "d3", fields={"a": "2"})
        found = {
            name: [each.id for each in await given.catalog.find(TENANT, "dataset", fields=fields)]
            for name, fields in {
                "a": {"a": "1"},
                "a and b": {"a": "1", "b": "2"},
                "b and a": {"b": "1", "a": "1"},
                "nothing": {"a": "2", "b": "1"},
                "unknown": {"c": "1"},
            }.items()
        }
        assert found == {
            "a": ["d2", "d1"],
            "a and b": ["d2"],
            "b and a": ["d1"],
            "nothing": [],
            "unknown": [],
        }
