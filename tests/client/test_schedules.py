"""Schedules by both clients, against a real server."""

import asyncio

import pytest

from outlast.client import AsyncClient, Conflict, InvalidRequest, NewSchedule, NotFound

HOURLY = {"kind": "count", "spec": {"steps": 2}, "every_seconds": 3600}


def test_a_schedule_lives_from_its_creation_to_its_end(client):
    wish = NewSchedule(name="life", **HOURLY, labels={"from": "sdk"}, project="p")
    schedule = client.schedules.create(wish)
    assert client.schedules.create(wish).id == schedule.id
    with pytest.raises(Conflict):
        client.schedules.create(NewSchedule(name="life", kind="count", spec={}, cron="0 3 * * *"))
    assert client.schedules.get("life") == schedule
    assert "life" in [one.name for one in client.schedules.list(kind="count", belongs_to="")]
    changed = client.schedules.update("life", {"cron": "0 3 * * *", "project": None})
    assert (changed.cron, changed.every_seconds, changed.project) == ("0 3 * * *", None, None)
    assert client.schedules.pause("life").next_at is None
    assert client.schedules.resume("life").next_at == changed.next_at
    handle = client.schedules.trigger("life")
    assert handle.result(timeout_seconds=20) == {"counted": 2}
    assert handle.operation.labels == {"from": "sdk", "schedule": schedule.id}
    client.schedules.delete("life")
    with pytest.raises(NotFound):
        client.schedules.get("life")


def test_a_wrong_schedule_is_refused_with_the_field(client):
    with pytest.raises(InvalidRequest) as refused:
        client.schedules.create(NewSchedule(name="wrong", kind="count", spec={}, cron="never"))
    assert list(refused.value.field_errors) == ["cron"]


def test_a_trigger_with_the_same_key_gives_the_first_operation(client):
    client.schedules.create(NewSchedule(name="keyed", **HOURLY))
    first = client.schedules.trigger("keyed", idempotency_key="sdk-trigger")
    assert client.schedules.trigger("keyed", idempotency_key="sdk-trigger").id == first.id


def test_the_asynchronous_client_can_do_the_same(server):
    async def use():
        async with AsyncClient(server.url, server.token) as client:
            schedules = client.schedules
            made = await schedules.create(NewSchedule(name="async", **HOURLY))
            assert (await schedules.get(made.id)).name == "async"
            assert made.id in [one.id async for one in schedules.list(created_by="admin")]
            assert (await schedules.update("async", {"priority": 4})).priority == 4
            assert (await schedules.pause("async")).is_paused
            assert not (await schedules.resume("async")).is_paused
            handle = await schedules.trigger("async")
            assert (await handle.result(timeout_seconds=20)) == {"counted": 2}
            await schedules.delete("async")

    asyncio.run(use())
