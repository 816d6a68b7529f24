import asyncio
from contextlib import asynccontextmanager

import pytest

from outlast.inference import warm
from outlast.inference.models import ServedModel
from outlast.inference.warm import WarmEndpoints
from outlast.operations.errors import RateLimited, Unavailable


class Opener:
    """Opens endpoints that are only their names, and remembers which are open."""

    def __init__(self):
        self.opened = []
        self.open = set()
        self.folders = {}
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.failing = False

    @asynccontextmanager
    async def __call__(self, model, key, *, folder=None):
        await self.may_open.wait()
        if self.failing:
            raise Unavailable("no memory")
        self.opened.append((model.name, key))
        self.open.add(model.name)
        if folder is not None:
            self.folders = {path.name: path.read_text() for path in folder.iterdir()}
        try:
            yield f"endpoint of {model.name}"
        finally:
            self.open.remove(model.name)


@pytest.fixture
def opener(monkeypatch):
    opener = Opener()
    monkeypatch.setattr(warm, "open_endpoint", opener)
    return opener


@pytest.fixture
async def endpoints(opener, tmp_path):
    async def fetch(key, path):
        path.write_text(key)

    endpoints = WarmEndpoints(
        {"acme": "the key"}.__getitem__, fetch, tmp_path, idle_seconds=0, local_max=2
    )
    yield endpoints
    await endpoints.close()
    assert opener.open == set()
    assert list(tmp_path.iterdir()) == []


def served(name, **fields):
    return ServedModel(name=name, upstream=name, url="http://127.0.0.1:1", **fields)


def local(name, **fields):
    return ServedModel(name=name, upstream=name, folder="/models", **fields)


async def use(endpoints, model):
    async with endpoints.endpoint(model) as endpoint:
        return endpoint


async def test_an_endpoint_is_opened_once_and_kept(endpoints, opener):
    for _ in range(3):
        assert await use(endpoints, served("m")) == "endpoint of m"
    assert opener.opened == [("m", None)]


async def test_a_backend_with_a_key_is_given_it(endpoints, opener):
    await use(endpoints, served("m", backend="acme", secret_ref="backend:acme"))
    assert opener.opened == [("m", "the key")]


async def test_who_comes_while_it_opens_waits_for_the_same(endpoints, opener):
    opener.may_open.clear()
    uses = [asyncio.create_task(use(endpoints, local("m"))) for _ in range(3)]
    await asyncio.sleep(0)
    uses[0].cancel()
    await asyncio.sleep(0)
    opener.may_open.set()

    assert await asyncio.gather(*uses[1:]) == ["endpoint of m"] * 2
    assert len(opener.opened) == 1


async def test_one_that_could_not_be_opened_is_tried_again(endpoints, opener):
    opener.failing = True
    with pytest.raises(Unavailable, match="no memory"):
        await use(endpoints, local("m"))
    opener.failing = False
    assert await use(endpoints, local("m")) == "endpoint of m"


async def test_a_model_that_has_changed_is_opened_anew_and_the_old_one_closed(endpoints, opener):
    async with endpoints.endpoint(local("m")):
        await use(endpoints, local("m", files={"adapter": "key-of-adapter"}))
        assert len(opener.opened) == 2
    await settled()
    assert opener.folders == {"adapter": "key-of-adapter"}


async def test_what_is_idle_is_closed_and_what_is_used_is_not(endpoints, opener):
    async with endpoints.endpoint(served("used")):
        await use(endpoints, served("idle"))
        endpoints.close_idle()
        await settled()
        assert opener.open == {"used"}


async def test_a_third_local_model_takes_the_place_of_the_one_used_least_recently(
    endpoints, opener
):
    await use(endpoints, local("a"))
    await use(endpoints, local("b"))
    await use(endpoints, local("a"))
    await use(endpoints, local("c"))
    await settled()
    assert opener.open == {"a", "c"}


async def test_a_local_model_waits_its_turn_while_all_in_memory_are_used(endpoints, opener):
    async with endpoints.endpoint(local("a")), endpoints.endpoint(local("b")):
        with pytest.raises(RateLimited):
            await use(endpoints, local("c"))
        await use(endpoints, served("not local"))


async def test_the_close_stops_what_is_still_opening(endpoints, opener):
    opener.may_open.clear()
    waiting = asyncio.create_task(use(endpoints, local("m")))
    await asyncio.sleep(0)
    await endpoints.close()
    await asyncio.wait({waiting})
    assert waiting.cancelled()


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)
