"""A tiny model behind the local server, through the official client."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import openai
import pytest
import pytest_asyncio
import tiny_model
from installation import until

from outlast.inference.local import start_local_server
from outlast.operations.errors import Unavailable

_PARENT = """
import asyncio, os, pathlib, sys
from outlast.inference.local import start_local_server

async def main():
    async with start_local_server(pathlib.Path(sys.argv[1]), name="tiny"):
        children = pathlib.Path(f"/proc/{os.getpid()}/task").glob("*/children")
        print(next(text for path in children if (text := path.read_text().strip())), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""
HELLO = [{"role": "user", "content": "What is the red cat called?"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    tiny_model.make_model(folder)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(folder):
    async with start_local_server(folder, name="tiny", waiting_max=1) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def client(server):
    async with openai.AsyncOpenAI(
        base_url=server.base_url, api_key=server.key, max_retries=0
    ) as client:
        yield client


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_chat_is_answered_whole(client):
    answer = await client.chat.completions.create(
        model="tiny", messages=HELLO, max_tokens=8, temperature=0
    )
    [choice] = answer.choices
    assert choice.finish_reason == "length"
    assert choice.message.content
    assert answer.usage.completion_tokens == 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8


async def test_a_stream_has_the_same_text(client):
    wish = {"model": "tiny", "messages": HELLO, "max_tokens": 24, "temperature": 1, "seed": 5}
    whole = await client.chat.completions.create(**wish)
    stream = await client.chat.completions.create(
        **wish, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


async def test_the_same_seed_gives_the_same_answer_and_another_another(client):
    wish = {"model": "tiny", "messages": HELLO, "max_tokens": 24, "temperature": 1}
    texts = [
        (await client.chat.completions.create(**wish, seed=seed)).choices[0].message.content
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


async def test_an_answer_ends_before_a_stop_text(client):
    wish = {"model": "tiny", "messages": HELLO, "max_tokens": 40, "temperature": 0}
    text = (await client.chat.completions.create(**wish)).choices[0].message.content
    stop = text[5:7]
    answer = await client.chat.completions.create(**wish, stop=[stop, "never there"])
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == text[: text.index(stop)]


async def test_the_one_model_is_listed(client):
    assert [model.id async for model in client.models.list()] == ["tiny"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"messages": []}, "length >= 1"),
        ({"n": 2}, "malformed"),
        ({"temperature": 3}, "malformed"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": [{"role": "user", "content": "red cat " * 500}]}, "context 256"),
        ({"messages": [{"role": "user"}]}, "content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image_url"),
    ],
)
async def test_what_it_cannot_do_is_refused_by_name(client, change, words):
    with pytest.raises(openai.BadRequestError, match=words):
        await client.chat.completions.create(**({"model": "tiny", "messages": HELLO} | change))


async def test_a_chat_model_has_no_embeddings(client):
    with pytest.raises(openai.BadRequestError, match="chat model"):
        await client.embeddings.create(model="tiny", input="hello")


async def test_nobody_without_the_key_is_served(server):
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="guess") as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()


async def test_who_comes_when_enough_wait_is_told_to_come_again(client):
    wish = {"model": "tiny", "messages": HELLO, "max_tokens": 100, "temperature": 0}
    answers = await asyncio.gather(
        *(client.chat.completions.create(**wish) for _ in range(6)), return_exceptions=True
    )
    refused = [one for one in answers if isinstance(one, openai.RateLimitError)]
    assert 1 <= len(refused) <= 4
    assert refused[0].response.headers["retry-after"] == "1"
    assert all(one in refused or one.choices for one in answers)


async def test_a_reader_that_leaves_frees_the_model(client):
    stream = await client.chat.completions.create(
        model="tiny", messages=HELLO, max_tokens=4096, stream=True
    )
    await anext(aiter(stream))
    await stream.close()
    async with asyncio.timeout(5):
        await client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=1)


async def test_the_key_is_in_no_process_list(server):
    assert not any(server.key.encode() in text for text in _processes())


async def test_it_ends_with_who_started_it(folder):
    before = _children()
    async with start_local_server(folder, name="tiny"):
        [child] = _children() - before
    assert child not in _children()


async def test_it_ends_also_when_its_parent_is_killed(folder):
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(folder), stdout=asyncio.subprocess.PIPE
    )
    child = Path("/proc", (await parent.stdout.readline()).decode().strip())
    await until(child.exists)
    parent.kill()
    await parent.wait()
    await until(lambda: not child.exists())


async def test_a_folder_that_is_no_model_is_refused_without_telling_where_it_is(tmp_path):
    for content, words in ((None, "holds no model"), ("{}", "Unrecognized model in FOLDER")):
        if content is not None:
            (tmp_path / "config.json").write_text(content)
        with pytest.raises(Unavailable, match=words) as refused:
            async with start_local_server(tmp_path, name="nothing"):
                pass
        assert str(tmp_path) not in refused.value.message


async def test_weights_that_are_pickled_are_not_read(folder, tmp_path):
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises(Unavailable, match="safetensors"):
        async with start_local_server(tmp_path, name="pickled"):
            pass


async def test_an_embedding_model_gives_vectors_of_length_one(tmp_path):
    tiny_model.make_embedding_model(tmp_path)
    async with (
        start_local_server(tmp_path, name="bert") as server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key=server.key) as client,
    ):
        texts = ["the red cat", "the blue dog", "the red cat"]
        answer = await client.embeddings.create(model="bert", input=texts)
        plain = await client.embeddings.create(
            model="bert", input=texts[0], encoding_format="float"
        )
        with pytest.raises(openai.BadRequestError, match="embedding model"):
            await client.chat.completions.create(model="bert", messages=HELLO)
    first, second, third = (one.embedding for one in answer.data)
    assert sum(value * value for value in first) == pytest.approx(1, abs=1e-4)
    assert first == pytest.approx(third, abs=1e-5) != pytest.approx(second, abs=1e-3)
    assert plain.data[0].embedding == pytest.approx(first, abs=1e-5)


def _children():
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {number for path in found for number in path.read_text().split()}


def _processes():
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            with suppress(OSError):
                yield (process / name).read_bytes()
