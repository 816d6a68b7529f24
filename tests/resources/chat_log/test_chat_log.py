import asyncio
import os

import pytest
from datasets_for_tests import principal

from outlast.engine import Role
from outlast.operations.errors import Forbidden, Unavailable
from outlast.operations.model import SECOND
from outlast.resources.chat_log import Entry, TenantSetting
from outlast.resources.chat_log.log import FRESH_MAX
from outlast.resources.chat_log.model import as_document, day_of, from_document, hour_of

HOUR = 3600 * SECOND
DAY = 24 * HOUR
IN_FAR_FUTURE = 4_000_000_000 * SECOND


async def test_what_was_said_stands_in_a_segment_of_its_tenant_and_hour(bench, clock):
    await bench.say("one")
    await bench.say("two")
    await bench.say("elsewhere", tenant="other")
    await bench.log.publish()

    assert await bench.said() == ["one", "two"]
    assert await bench.said("other") == ["elsewhere"]
    [segment] = await bench.segments()
    assert segment.key.startswith(f"tenant/default/chat/{day_of(clock.now)}/")
    first, last = await bench.entries(segment)
    assert (segment.first_at, segment.last_at) == (first.created_at, last.created_at)


async def test_what_an_hour_ends_goes_to_a_segment_of_the_next(bench, clock):
    await bench.say("before")
    clock.now += HOUR
    await bench.say("after")
    await bench.log.publish()

    first, second = await bench.segments()
    assert hour_of(second.first_at) > hour_of(first.last_at)


async def test_an_entry_is_on_the_disk_before_its_answer_ends(bench, make_bench):
    await bench.say("killed right now")

    after_the_restart = make_bench()
    await after_the_restart.log.publish()

    assert await after_the_restart.said() == ["killed right now"]


async def test_a_file_that_was_published_before_a_kill_is_not_published_again(bench, make_bench):
    await bench.say("once")
    [path] = bench.journal.seal()
    content = path.read_bytes()
    await bench.log.publish()
    path.write_bytes(content)

    after_the_restart = make_bench()
    await after_the_restart.log.publish()

    assert await after_the_restart.said() == ["once"]
    assert not path.exists()


async def test_an_entry_that_a_kill_cut_off_ends_its_file(bench):
    await bench.say("whole")
    await bench.say("torn")
    [path] = bench.journal.seal()
    path.write_bytes(path.read_bytes()[:-20])

    await bench.log.publish()

    assert await bench.said() == ["whole"]


async def test_what_cannot_be_published_now_is_published_later(bench, monkeypatch):
    async def refuse(*_):
        raise Unavailable

    await bench.say("patience")
    with monkeypatch.context() as patched:
        patched.setattr(bench.store.catalog, "write", refuse)
        await bench.log.publish()
    await bench.say("more")
    await bench.log.publish()

    assert await bench.said() == ["patience", "more"]


async def test_a_journal_that_is_full_drops_entries_and_counts_them(make_bench):
    bench = make_bench(journal_bytes=500)
    for number in range(10):
        await bench.say(str(number))

    dropped = bench.log.dropped["journal_full"]
    assert bench.log.logged + dropped == 10
    assert dropped > 5
    await bench.log.publish()
    await bench.say("there is room again")
    assert bench.log.dropped["journal_full"] == dropped


async def test_a_file_of_the_journal_is_ended_before_it_is_large(bench, monkeypatch):
    monkeypatch.setattr("outlast.resources.chat_log.journal.FILE_BYTES_MAX", 500)
    for number in range(20):
        await bench.say(str(number))

    sizes = [path.stat().st_size for path in bench.journal.seal()]
    assert len(sizes) > 3
    assert max(sizes) < 1000
    await bench.log.publish()
    assert await bench.said() == [str(number) for number in range(20)]


async def test_a_disk_that_takes_half_an_entry_keeps_the_others_whole(bench, monkeypatch):
    await bench.say("before")
    with monkeypatch.context() as patched:
        patched.setattr("os.write", _writes_half_then_fails())
        await bench.say("lost")
    await bench.say("after")
    await bench.log.publish()

    assert await bench.said() == ["before", "after"]
    assert bench.log.dropped == {"journal_full": 1}


def _writes_half_then_fails():
    real, calls = os.write, []

    def write(file, data):
        calls.append(data)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(file, data[: len(data) // 2])

    return write


async def test_an_entry_that_is_too_large_is_kept_without_its_content(make_bench):
    bench = make_bench(entry_bytes_max=1000)
    await bench.say("x" * 5000, usage={"total_tokens": 7}, metadata={"k": "v" * 500})
    await bench.log.publish()

    [segment] = await bench.segments()
    [entry] = await bench.entries(segment)
    assert entry.is_omitted
    assert (entry.messages, entry.metadata, entry.usage) == ([], {}, {"total_tokens": 7})


async def test_the_fresh_segments_of_an_hour_are_merged_when_they_have_become_many(bench):
    for number in range(FRESH_MAX + 2):
        await bench.say(f"{number}")
        await bench.log.publish()

    merged, *fresh = await bench.segments()
    assert (merged.is_merged, merged.entries) == (True, FRESH_MAX)
    assert [segment.is_merged for segment in fresh] == [False, False]
    assert await bench.said() == [str(number) for number in range(FRESH_MAX + 2)]


async def test_an_hour_that_is_over_becomes_one_segment_and_the_old_objects_go_a_day_later(
    bench, clock, tenant
):
    for number in range(3):
        await bench.say(f"{number}")
        await bench.log.publish()
    await bench.keeper.keep()
    assert len(await bench.segments()) == 3, "the hour is not over"

    clock.now += HOUR
    await bench.keeper.keep()

    [segment] = await bench.segments()
    assert await bench.said() == ["0", "1", "2"]
    assert len(await bench.objects_of()) == 4, "somebody may have begun to read the old ones"
    clock.now = IN_FAR_FUTURE
    await bench.keeper.sweep("default")
    assert await bench.objects_of() == [segment.key]


async def test_two_processes_that_merge_the_same_segments_lose_and_double_nothing(bench, clock):
    texts = [str(number) for number in range(10)]
    for text in texts:
        await bench.say(text)
        await bench.log.publish()
    clock.now += HOUR

    await asyncio.gather(*(bench.keeper.merge_past("default") for _ in range(4)))

    assert await bench.said() == texts
    assert len(await bench.segments()) == 1


async def test_the_hours_of_a_day_that_is_over_become_one_segment(bench, clock, tenant):
    texts = [f"{number}" for number in range(26)]
    for text in texts:
        await bench.say(text)
        await bench.log.publish()
        await bench.keeper.keep()
        clock.now += HOUR
    clock.now += DAY
    await bench.keeper.keep()

    assert await bench.said() == texts
    days = [day_of(segment.first_at) for segment in await bench.segments()]
    assert len(days) == len(set(days)) <= 3
    for segment in await bench.segments():
        assert day_of(segment.first_at) == day_of(segment.last_at)


async def test_a_segment_goes_when_its_newest_entry_has_been_kept_enough(make_bench, clock, tenant):
    bench = make_bench(kept_days=2)
    await bench.say("old")
    await bench.log.publish()
    clock.now += DAY
    await bench.say("new")
    await bench.log.publish()
    clock.now += DAY + HOUR

    assert await bench.keeper.keep() == 1

    assert await bench.said() == ["new"]
    assert len(await bench.objects_of()) == 1, "the bytes are gone at once"


async def test_a_tenant_is_logged_unless_it_or_the_server_says_no(make_bench):
    bench, off = make_bench(), make_bench(is_enabled=False)
    admin, other = principal("ann", Role.ADMIN), principal("bob", Role.ADMIN, "other")
    assert await bench.log.is_enabled(admin)
    assert not await off.log.is_enabled(admin)

    await bench.log.settings.set(admin, TenantSetting(is_enabled=False))

    assert not await bench.log.is_enabled(admin)
    assert await bench.log.is_enabled(other)
    [record] = await bench.store.operations.audit("default")
    assert (record.entry.actor, record.entry.action) == ("ann", "chat_log.off")


async def test_only_admins_decide_about_the_log(bench):
    with pytest.raises(Forbidden):
        await bench.log.settings.set(principal("ann", Role.OPERATOR), TenantSetting())


async def test_the_hook_decides_what_is_kept_and_its_view_is_all_that_is_written(make_bench):
    def redact(entry):
        if entry["messages"][0]["content"] == "forget":
            return None
        return entry | {"messages": [{"role": "user", "content": "[gone]"}], "id": "mine"}

    bench = make_bench(redact=redact)
    await bench.say("my number is 1234")
    await bench.say("forget")
    [path] = bench.journal.seal()
    assert b"1234" not in path.read_bytes()
    await bench.log.publish()

    [segment] = await bench.segments()
    [entry] = await bench.entries(segment)
    assert entry.messages[0]["content"] == "[gone]"
    assert entry.id != "mine"
    assert bench.log.dropped == {}


@pytest.mark.parametrize(
    "redact",
    [
        lambda entry: 1 / 0,
        lambda entry: {"id": 3},
        lambda entry: "text",
        lambda entry: entry | {"messages": [object()]},
    ],
    ids=["raises", "spoils", "answers nonsense", "puts in what is no JSON"],
)
async def test_a_hook_that_fails_loses_the_entry_and_says_so_without_its_content(
    make_bench, redact, caplog
):
    bench = make_bench(redact=redact)
    await bench.say("my number is 1234")
    await bench.log.publish()

    assert await bench.said() == []
    assert bench.log.dropped == {"redact_failed": 1}
    assert "1234" not in caplog.text


async def test_the_close_publishes_what_waits(bench):
    await bench.say("last words")
    await bench.log.close()

    assert await bench.said() == ["last words"]


def test_an_entry_survives_its_hooks_form():
    entry = Entry(
        id="i",
        created_at=1,
        member="ann",
        model="m",
        status="incomplete",
        duration_ms=3,
        choices=[{"message": {"content": "x"}}],
        usage={"total_tokens": 3},
    )
    assert from_document(as_document(entry)) == entry
