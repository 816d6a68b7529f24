import hashlib
import json
from contextlib import asynccontextmanager

import pytest
from datasets_for_tests import gather, principal, stream

from outlast.clock import system_clock
from outlast.engine.access import Role
from outlast.engine.tokens import Tokens
from outlast.executors.calls import CallFailed
from outlast.operations.errors import (
    Forbidden,
    InvalidEvidence,
    InvalidSpec,
    NotFound,
    TooLarge,
    Unavailable,
)
from outlast.operations.failure import Failure
from outlast.resources.evidence import EvidenceCollector, Evidences, calls
from outlast.resources.evidence.model import evidence_prefix

BOM = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "a"}]}
DAY = 86_400_000_000
ANN = principal("ann")
AWAY = principal("ann", tenant="away")


@pytest.fixture
def evidences(store, objects, spool, sandbox):
    spool.mkdir(parents=True, exist_ok=True)
    return Evidences(store, objects, sandbox, spool=spool, bytes_max=10_000)


@pytest.fixture
def put(evidences):
    async def put(content=BOM, who=ANN, **options):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        return await evidences.put(who, stream(content), **options)

    return put


async def test_evidence_is_looked_at_by_a_locked_child_and_kept_under_its_digest(evidences, put):
    content = json.dumps(BOM).encode()
    kept, is_new = await put(content, name="bom.json")
    assert is_new
    assert kept.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert (kept.name, kept.bytes, kept.seen.type) == ("bom.json", len(content), "cyclonedx")
    [problem] = kept.seen.problems
    assert problem.message == '"type" is a required property'
    for ref in (kept.id, kept.digest):
        assert await evidences.get(ANN, ref) == kept
    assert await gather(evidences.read(ANN, kept.digest)) == content


@pytest.mark.parametrize(
    ("content", "type_"),
    [
        ('{"a": 1}'.encode("utf-16"), "json"),
        (b"\xef\xbb\xbfa: 2001-01-01", "yaml"),
        (b'<?xml version="1.0" encoding="iso-8859-15"?><testsuite name="\xe9"/>', "junit"),
        (b'<bom xmlns="http://cyclonedx.org/schema/bom/1.7"/>', "cyclonedx"),
        (b"SPDXVersion: SPDX-2.3", "spdx"),
        (b'{"version": "2.1.0", "runs": [{"tool": {}, "results": [{"level": "x"}]}]}', "sarif"),
        (b'{"payload": "e30=", "payloadType": "a/b", "signatures": [{"sig": "AA=="}]}', "json"),
    ],
)
async def test_a_locked_child_has_all_that_reading_needs(put, content, type_):
    kept, _ = await put(content)
    assert kept.seen.type == type_


async def test_the_same_bytes_are_the_same_evidence(evidences, put, objects):
    first, _ = await put(b"{}", name="one.json")
    second, is_new = await put(b"{}", name="another.json")
    assert (second, is_new) == (first, False)
    assert len([info async for info in objects.walk(evidence_prefix(ANN.tenant))]) == 1
    assert [one.id for one in await evidences.find(ANN)] == [first.id]


async def test_lists_are_of_a_type_newest_first(evidences, put):
    first, _ = await put(b"[1]")
    bom, _ = await put(BOM)
    second, _ = await put(b"[2]")
    assert await evidences.find(ANN) == [second, bom, first]
    assert await evidences.find(ANN, type_="json") == [second, first]
    assert await evidences.find(ANN, before_id=second.id, limit=1) == [bom]
    with pytest.raises(InvalidSpec, match="is no type of evidence"):
        await evidences.find(ANN, type_="prose")


async def test_what_cannot_be_read_is_not_kept(evidences, put):
    with pytest.raises(InvalidEvidence) as caught:
        await put(b'{"a":\n 1,}')
    assert caught.value.details == {"line": 2, "column": 4}
    with pytest.raises(TooLarge):
        await put(b" " * 10_001)
    with pytest.raises(InvalidSpec):
        await put(b"{}", name="a\nb")
    assert await evidences.find(ANN) == []


async def test_evidence_is_its_tenants_alone(evidences, put):
    kept, _ = await put()
    for ref in (kept.id, kept.digest):
        with pytest.raises(NotFound):
            await evidences.get(AWAY, ref)
    other, is_new = await put(who=AWAY)
    assert is_new
    assert other.id != kept.id


async def test_only_who_brought_it_or_an_operator_deletes_it(evidences, put, objects):
    kept, _ = await put()
    with pytest.raises(Forbidden):
        await evidences.delete(principal("bob"), kept.id)
    await evidences.delete(ANN, kept.digest)
    with pytest.raises(NotFound):
        await evidences.get(ANN, kept.id)
    assert [info async for info in objects.walk("")] == []


async def test_a_reader_that_dies_blames_the_evidence(store, objects, spool):
    @asynccontextmanager
    async def dying(*_, **__):
        raise CallFailed(Failure(code="out_of_memory", message="ran out", fault="platform"))
        yield

    spool.mkdir(parents=True, exist_ok=True)
    evidences = Evidences(store, objects, dying, spool=spool, bytes_max=100)
    with pytest.raises(InvalidEvidence, match="ran out"):
        await evidences.put(ANN, stream(b"{}"))
    assert list(spool.iterdir()) == []


async def test_without_the_extra_it_says_what_to_install(put, monkeypatch):
    monkeypatch.setattr(calls, "is_installed", lambda: False)
    with pytest.raises(Unavailable, match=r"outlast\[policy\]"):
        await put()


async def test_what_no_evidence_names_is_collected_after_a_day(put, store, objects):
    kept, _ = await put()
    await Tokens(store).create_tenant(principal("root", Role.ROOT), ANN.tenant)
    orphan = f"{evidence_prefix(ANN.tenant)}06EV0000000000000V00-ab"
    await objects.put_bytes(orphan, b"orphan")
    assert await EvidenceCollector(store.catalog, objects, now=system_clock).collect() == 0
    later = EvidenceCollector(store.catalog, objects, now=lambda: system_clock() + 2 * DAY)
    assert await later.collect() == 1
    [left] = [info.key async for info in objects.walk(evidence_prefix(ANN.tenant))]
    assert left.startswith(f"{evidence_prefix(ANN.tenant)}{kept.id}-")
