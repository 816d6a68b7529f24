import asyncio

import pytest

from outlast.inference.models import ServedModel
from outlast.inference.turnstile import WAITING_PER_SLOT, Turnstile
from outlast.operations.errors import RateLimited


def model(**limits):
    return ServedModel(name="m", upstream="m", **({"concurrency": 1} | limits))


async def hold(turnstile, until):
    async with turnstile.turn(1):
        await until.wait()


async def test_the_turns_that_a_model_has_are_given_and_given_back():
    turnstile = Turnstile(model(concurrency=2), wait_seconds=0.01)
    async with turnstile.turn(1), turnstile.turn(1):
        with pytest.raises(RateLimited, match=r"busy for 0\.01 s"):
            await turnstile.turn(1).__aenter__()
    async with turnstile.turn(1):
        pass


async def test_only_so_many_wait():
    turnstile, over = Turnstile(model()), asyncio.Event()
    holders = [asyncio.create_task(hold(turnstile, over)) for _ in range(1 + WAITING_PER_SLOT)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    with pytest.raises(RateLimited, match="too many requests wait"):
        await turnstile.turn(1).__aenter__()

    over.set()
    await asyncio.gather(*holders)


async def test_who_stops_waiting_leaves_its_place():
    turnstile, over = Turnstile(model()), asyncio.Event()
    holder = asyncio.create_task(hold(turnstile, over))
    await asyncio.sleep(0)
    for _ in range(3 * WAITING_PER_SLOT):
        waiting = asyncio.create_task(hold(turnstile, over))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    over.set()
    await holder
    async with turnstile.turn(1):
        pass


async def test_a_rate_that_is_used_up_gives_no_turn_and_keeps_none():
    turnstile = Turnstile(model(requests_per_minute=1), wait_seconds=0.05)
    async with turnstile.turn(1):
        pass
    for _ in range(2):
        with pytest.raises(RateLimited):
            await turnstile.turn(1).__aenter__()
