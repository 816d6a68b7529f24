"""Bringing what an attempt needs to its machine."""

import json
from contextlib import AsyncExitStack

import pytest
from datasets_for_tests import stream

from outlast.operations.errors import NotFound, TooLarge
from outlast.resources.datasets import model
from outlast.resources.datasets.parser import Parser
from outlast.resources.objects import LocalObjects
from outlast.resources.staging import Stager

ROWS = b"".join(b'{"n":%d,"word":"w%d"}\n' % (number, number) for number in range(1000))


class Remote(LocalObjects):
    """A store whose objects are no files of this machine."""

    def local_path(self, key):
        return None


@pytest.fixture(params=[LocalObjects, Remote])
def objects(tmp_path, request):
    return request.param(tmp_path / "data" / "objects")


@pytest.fixture
def parser(sandbox, objects, spool):
    return Parser(sandbox, objects, spool=spool, upload_bytes_max=50_000_000)


@pytest.fixture
async def keys(parser, objects):
    """The keys of a version's parts: the same rows twice."""
    async with parser.parse(stream(ROWS), "jsonl") as parsed:
        [part], [name] = parsed.manifest.parts, parsed.files
        key = model.part_key("default", part.sha256)
        await objects.put_file(key, parsed.folder / name)
    return [key, key]


def stager(objects, spool, parser, most=10**9):
    return Stager(objects, spool, parser, export_bytes_max=most)


async def test_a_versions_parts_become_one_file_of_json_lines(objects, spool, parser, keys):
    async with AsyncExitStack() as stack:
        staged = await stager(objects, spool, parser).stage({}, {"rows.jsonl": keys}, stack)
        lines = [json.loads(line) for line in staged["rows.jsonl"].read_text().splitlines()]
        assert len(lines) == 2000
        assert lines[1001] == {"n": 1, "word": "w1"}
    assert list(spool.iterdir()) == []


async def test_inputs_and_exports_come_together_under_any_name(objects, spool, parser, keys):
    await objects.put_bytes("tenant/t/files/a", b"alpha")
    async with AsyncExitStack() as stack:
        staged = await stager(objects, spool, parser).stage(
            {"model/a": "tenant/t/files/a"}, {"model/rows": keys[:1]}, stack
        )
        assert staged["model/a"].read_bytes() == b"alpha"
        assert len(staged["model/rows"].read_text().splitlines()) == 1000


async def test_an_export_has_a_limit(objects, spool, parser, keys):
    async with AsyncExitStack() as stack:
        with pytest.raises(TooLarge, match=r"rows has more than 1000 bytes"):
            await stager(objects, spool, parser, 1000).stage({}, {"rows": keys}, stack)


@pytest.mark.parametrize("what", ["inputs", "exports"])
async def test_an_object_that_is_gone_is_not_found(objects, spool, parser, what):
    wanted = {"inputs": ({"a": "tenant/t/gone"}, {}), "exports": ({}, {"a": ["tenant/t/gone"]})}
    async with AsyncExitStack() as stack:
        with pytest.raises(NotFound):
            await stager(objects, spool, parser).stage(*wanted[what], stack)
