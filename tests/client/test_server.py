"""The client against a real server in a process of its own."""

import asyncio
import json
import signal
import threading

import pytest

from outlast.client import (
    AsyncClient,
    Client,
    Conflict,
    Filter,
    InvalidRequest,
    NotFound,
    OperationCancelled,
    OperationFailed,
    Unauthenticated,
    WaitTimedOut,
)


def test_a_result_comes_back(client):
    handle = client.submit("count", {"steps": 3}, labels={"from": "sdk"})
    assert handle.result(timeout_seconds=20) == {"counted": 3}
    assert handle.operation.labels == {"from": "sdk"}
    assert handle.operation.finished_at >= handle.operation.created_at


def test_a_short_operation_ends_within_the_wait_of_its_submission(client):
    handle = client.submit("count", {}, wait_seconds=10)
    assert handle.operation.state == "succeeded"


def test_submitting_again_with_a_key_gives_the_first(client):
    first = client.submit("count", {}, idempotency_key="sdk-key")
    assert client.submit("count", {}, idempotency_key="sdk-key").id == first.id
    with pytest.raises(InvalidRequest) as raised:
        client.submit("count", {"steps": 2}, idempotency_key="sdk-key")
    assert raised.value.code == "idempotency_mismatch"
    assert raised.value.request_id


def test_an_operation_can_have_a_name(client):
    handle = client.submit("count", {}, operation_id="sdk-name")
    assert client.get("sdk-name").id == handle.id
    with pytest.raises(Conflict):
        client.submit("count", {"steps": 2}, operation_id="sdk-name")


def test_a_failure_is_raised_with_all_that_is_known(client):
    with pytest.raises(OperationFailed, match="no such luck") as raised:
        client.submit("fail", {}).result(timeout_seconds=20)
    assert raised.value.code == "no_luck"
    assert raised.value.failure.fault == "user"
    assert raised.value.field_errors == {"message": "unlucky"}


def test_cancelling_ends_in_cancelled(client):
    handle = client.submit("count", {"steps": 1000, "seconds": 0.05})
    handle.cancel()
    with pytest.raises(OperationCancelled):
        handle.result(timeout_seconds=20)


def test_a_wait_that_times_out_leaves_the_operation_alone(client):
    handle = client.submit("count", {"steps": 1000, "seconds": 0.05})
    with pytest.raises(WaitTimedOut) as raised:
        handle.wait(timeout_seconds=0.5)
    assert raised.value.operation.id == handle.id
    assert not handle.refresh().is_terminal
    handle.cancel()


def test_watching_shows_progress_and_then_the_end(client):
    handle = client.submit("count", {"steps": 4, "seconds": 0.6})
    seen = list(handle.watch())
    revisions = [one.revision for one in seen]
    assert revisions == sorted(set(revisions))
    assert any(one.progress and one.progress.done for one in seen[:-1])
    assert seen[-1].result == {"counted": 4}
    assert seen[-1].progress.resources[0].name == "one"


def test_a_wait_survives_a_restart_of_the_server(own_server):
    # Whether the client meets a closed door meanwhile is a matter of luck; that it waits on is not.
    with own_server.client() as client:
        handle = client.submit("count", {"steps": 6, "seconds": 0.5})
        restart = threading.Timer(1, lambda: (own_server.stop(signal.SIGTERM), own_server.start()))
        restart.start()
        assert handle.result(timeout_seconds=60) == {"counted": 6}
        restart.join()


def test_lists_come_page_by_page(client):
    refs = [client.submit("count", {}, labels={"paged": "yes"}).id for _ in range(5)]
    found = client.list(Filter(labels={"paged": "yes"}), page_size=2)
    assert [one.id for one in found] == refs[::-1]
    assert len(list(client.list(Filter(labels={"paged": "yes"}), page_size=2, limit=3))) == 3
    [whole] = client.list(Filter(labels={"paged": "yes"}), limit=1, full=True)
    assert whole.spec == {}


def test_history_and_log_are_read(client):
    handle = client.submit("count", {}, wait_seconds=10)
    assert [one.type for one in client.events(handle.id)] == ["created", "claimed", "succeeded"]
    assert [one.text for one in client.logs(handle.id)] == ["counting begins"]
    assert [one.type for one in client.events(handle.id, after=2)] == ["succeeded"]


def test_a_retry_is_a_new_operation(client):
    old = client.submit("fail", {}, wait_seconds=10)
    new = client.retry(old.id)
    assert new.operation.parent_id == old.id
    assert (
        client.retry(old.id, idempotency_key="r").id == client.retry(old.id, idempotency_key="r").id
    )


def test_what_is_deleted_is_not_found(client):
    handle = client.submit("count", {}, wait_seconds=10)
    client.delete(handle.id)
    with pytest.raises(NotFound):
        client.get(handle.id)


def test_many_are_cancelled_at_once(client):
    for _ in range(3):
        client.submit("count", {"steps": 1000, "seconds": 0.1}, labels={"bulk": "sdk"})
    matching = Filter(labels={"bulk": "sdk"}, states=["pending", "running"])
    assert client.cancel_many(matching, dry_run=True).matched == 3
    counts = client.cancel_many(matching)
    assert (counts.requested, counts.more) == (3, False)
    for one in client.list(Filter(labels={"bulk": "sdk"})):
        assert client.wait(one.id, 20).state == "cancelled"


def test_kinds_come_with_their_schemas(client):
    assert "count" in {kind.name for kind in client.kinds()}
    assert "steps" in json.dumps(client.kind("count").spec_schema)


def test_a_token_that_is_not_known_is_refused(server):
    stranger = Client(server.url, "olt_06A1B2C3D4E5F6G7H8J9_nonsense")
    with stranger, pytest.raises(Unauthenticated):
        stranger.kinds()


def test_a_file_from_upload_to_download(client, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"0123456789" * 100_000)
    told = []
    made = client.files.upload(
        file,
        purpose="sdk",
        project="p1",
        expire_seconds=3600,
        progress=lambda *all_: told.append(all_),
    )
    assert (made.name, made.bytes, made.project) == ("rows.jsonl", 1_000_000, "p1")
    assert made.expire_at is not None
    assert told[-1] == (1_000_000, 1_000_000)
    assert client.files.get(made.id) == made
    assert [one.id for one in client.files.list(purpose="sdk", project="p1")] == [made.id]
    assert b"".join(client.files.download(made.id)) == file.read_bytes()
    client.files.delete(made.id)
    with pytest.raises(NotFound):
        client.files.get(made.id)


def test_a_dataset_from_upload_to_export(client, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("n,word\n" + "".join(f"{n},w{n}\n" for n in range(2500)))
    client.datasets.create("sdk-words")
    version = client.datasets.upload("sdk-words", file, name="first")
    assert version.rows == 2500
    assert [column.name for column in version.columns] == ["n", "word"]
    assert client.datasets.get("sdk-words").current_version == version.version
    assert [one.version for one in client.datasets.versions("sdk-words")] == [version.version]
    assert client.datasets.version("sdk-words", "first").version == version.version
    rows = client.datasets.rows("sdk-words", offset=2499, limit=10)
    assert (rows.total, list(rows.rows)) == (2500, [{"n": 2499, "word": "w2499"}])
    text = b"".join(client.datasets.export("sdk-words", format="jsonl")).decode()
    assert len(text.splitlines()) == 2500
    assert "sdk-words" in [one.name for one in client.datasets.list()]
    client.datasets.delete("sdk-words")
    with pytest.raises(NotFound):
        client.datasets.get("sdk-words")


def test_a_token_is_made_rotated_and_revoked(client, server):
    made = client.tokens.create("submitter", member="robot", expires_seconds=3600)
    with Client(server.url, made.secret) as theirs:
        assert theirs.submit("count", {}).operation.created_by == "robot"
        rotated = client.tokens.rotate(made.token.id)
        with pytest.raises(Unauthenticated):
            theirs.kinds()
    assert made.token.id in [one.id for one in client.tokens.list()]
    client.tokens.revoke(rotated.token.id)
    with Client(server.url, rotated.secret) as theirs, pytest.raises(Unauthenticated):
        theirs.kinds()
    assert "token.revoke" in [one.action for one in client.audit(limit=10)]


async def test_the_asynchronous_client_does_all_of_it(server, tmp_path):
    async with AsyncClient(server.url, server.token) as client:
        handles = await asyncio.gather(
            *(client.submit("count", {"steps": n}, labels={"async": "yes"}) for n in (1, 2, 3))
        )
        results = await asyncio.gather(*(one.result(timeout_seconds=20) for one in handles))
        assert results == [{"counted": 1}, {"counted": 2}, {"counted": 3}]
        found = [one.id async for one in client.list(Filter(labels={"async": "yes"}), page_size=2)]
        assert set(found) == {one.id for one in handles}
        watched = await client.submit("count", {"steps": 3, "seconds": 0.6})
        seen = [one async for one in watched.watch()]
        assert seen[-1].result == {"counted": 3}
        history = [one.type async for one in client.events(watched.id)]
        assert history[0] == "created"
        running = await client.submit("count", {"steps": 1000, "seconds": 0.05})
        with pytest.raises(WaitTimedOut):
            await running.wait(0.3)
        await running.cancel()
        with pytest.raises(OperationCancelled):
            await running.result(20)
        failed = await client.submit("fail", {}, wait_seconds=10)
        retried = await client.retry(failed.id)
        with pytest.raises(OperationFailed):
            await retried.result(20)
        await client.delete(failed.id)
        with pytest.raises(NotFound):
            await client.get(failed.id)
        file = tmp_path / "rows.jsonl"
        file.write_text('{"n": 1}\n{"n": 2}\n')
        await client.datasets.create("async-rows")
        kept = await client.files.upload(file, purpose="async")
        content = [piece async for piece in client.files.download(kept.id)]
        assert b"".join(content) == file.read_bytes()
        assert [one.id async for one in client.files.list(purpose="async")] == [kept.id]
        assert await client.files.get(kept.id) == kept
        await client.files.delete(kept.id)
        version = await client.datasets.upload("async-rows", file)
        assert version.rows == 2
        pieces = [piece async for piece in client.datasets.export("async-rows", format="csv")]
        assert b"".join(pieces).split() == [b'"n"', b"1", b"2"]
        made = await client.tokens.create("viewer")
        await client.tokens.revoke(made.token.id)
        assert await client.is_ready()
