import asyncio

from outlast.inference.rates import Bucket, RateLimiter


def test_a_bucket_gives_what_five_seconds_save_up_and_then_its_rate():
    bucket = Bucket(60, 0.0)
    assert [bucket.take(1, 0.0) for _ in range(5)] == [0.0] * 5
    assert bucket.take(1, 0.0) == 1.0
    assert bucket.take(1, 1.0) == 0.0
    assert bucket.take(1, 1.0) == 1.0


def test_what_is_larger_than_a_bucket_goes_and_is_paid_back_by_those_behind():
    bucket = Bucket(60, 0.0)
    assert bucket.take(25, 0.0) == 0.0
    assert bucket.take(1, 0.0) == 21.0
    assert bucket.take(1, 21.0) == 0.0


def test_what_is_larger_than_what_is_left_waits_for_it():
    bucket = Bucket(60, 0.0)
    bucket.take(3, 0.0)
    assert bucket.take(4, 0.0) == 2.0
    assert bucket.take(4, 2.0) == 0.0


def test_what_was_estimated_too_high_comes_back():
    bucket = Bucket(60, 0.0)
    bucket.take(25, 0.0)
    bucket.give_back(24)
    assert bucket.take(1, 0.0) == 0.0


def test_in_a_minute_no_more_begins_than_the_rate_and_the_burst():
    bucket, begun = Bucket(600, 0.0), 0
    for tick in range(60_000):
        begun += bucket.take(1, tick / 1000) == 0.0
    assert 600 <= begun <= 600 + 50


async def test_a_pause_holds_everybody_back():
    limiter = RateLimiter(requests_per_minute=None, tokens_per_minute=None)
    loop = asyncio.get_running_loop()
    began = loop.time()
    limiter.pause(0.05)
    await asyncio.gather(limiter.acquire(1), limiter.acquire(1))
    assert loop.time() - began >= 0.05


async def test_tokens_and_requests_are_both_kept_to():
    limiter = RateLimiter(requests_per_minute=60_000, tokens_per_minute=60_000)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await limiter.acquire(5_100)
    await limiter.acquire(10)
    assert loop.time() - began >= 0.1
    limiter.correct(100_000, 0)
    before = loop.time()
    await limiter.acquire(1)
    assert loop.time() - before < 0.05
