"""On a real server: streams, disconnects, slow and endless requests, shutting down."""

import asyncio
import json

import httpx
from installation import until
from serving import raw_request

STREAM = "text/event-stream"


def request(method, target, *, token="", headers=(), body=b""):
    """A request as bytes."""
    lines = [f"{method} {target} HTTP/1.1", "Host: outlast", *headers]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def read_event(reader):
    """The next event of a stream as (id, document), or None at its end. Comments are skipped."""
    fields = {}
    async with asyncio.timeout(10):
        while True:
            try:
                line = (await reader.readuntil(b"\n")).rstrip(b"\r\n").decode()
            except asyncio.IncompleteReadError:
                return None
            if line == "0":
                return None
            name, _, value = line.partition(": ")
            if name in {"event", "id", "data"}:
                fields[name] = value
            elif not line and fields:
                assert fields["event"] == "operation"
                return int(fields["id"]), json.loads(fields["data"])


async def open_stream(serving, port, ref, *headers):
    text = request(
        "GET",
        f"/v1/operations/{ref}/events",
        token=serving.texts["default", "viewer"],
        headers=[f"Accept: {STREAM}", *headers],
    )
    return await raw_request(port, text)


async def test_a_stream_shows_now_then_every_change_until_the_end(serving, client):
    operation = await serving.submit(client)
    async with serving.listening() as port:
        reader, writer, head = await open_stream(serving, port, operation["id"])
        assert b"content-type: text/event-stream" in head
        number, shown = await read_event(reader)
        assert (number, shown["state"], shown["spec"]) == (1, "pending", None)
        [claimed] = await serving.claim()
        assert (await read_event(reader))[1]["state"] == "running"
        await serving.report(claimed, 5.0)
        number, shown = await read_event(reader)
        assert (number, shown["progress"]["done"]) == (3, 5)
        await serving.succeed(claimed)
        assert (await read_event(reader))[1]["state"] == "succeeded"
        assert await read_event(reader) is None
        writer.close()


async def test_a_stream_goes_on_after_what_was_seen(serving, client):
    operation = await serving.submit(client)
    async with serving.listening() as port:
        reader, writer, _ = await open_stream(serving, port, operation["id"], "Last-Event-ID: 1")
        await serving.claim()
        assert (await read_event(reader))[0] == 2
        writer.close()
        reader, writer, _ = await open_stream(serving, port, operation["id"], "Last-Event-ID: 1")
        assert (await read_event(reader))[0] == 2
        writer.close()


async def test_whoever_has_seen_the_end_is_told_204(serving, client):
    operation = await serving.submit(client)
    await client.post(f"/v1/operations/{operation['id']}/cancel")
    url = f"/v1/operations/{operation['id']}/events"
    headers = {"Accept": STREAM, "Last-Event-ID": "2"}
    assert (await client.get(url, headers=headers)).status_code == 204
    for seen in ("1", "x", "99999999999999999999999", ""):
        answer = await client.get(url, headers=headers | {"Last-Event-ID": seen})
        assert answer.status_code == 200
        assert answer.text.count("event: operation") == 1


async def test_a_stream_of_nothing_is_a_problem(serving):
    async with serving.listening() as port:
        _, writer, head = await open_stream(serving, port, "none")
        assert head.startswith(b"HTTP/1.1 404")
        writer.close()


async def test_a_watcher_goes_with_its_client(serving, client):
    operation = await serving.submit(client)
    async with serving.listening() as port:
        _, streaming, _ = await open_stream(serving, port, operation["id"])
        token = serving.texts["default", "viewer"]
        _, waiting = await asyncio.open_connection("127.0.0.1", port)
        waiting.write(request("GET", f"/v1/operations/{operation['id']}?wait=60", token=token))
        body = b'{"kind":"add","spec":{"a":1}}'
        headers = [f"Content-Length: {len(body)}", "Prefer: wait=60"]
        _, creating = await asyncio.open_connection("127.0.0.1", port)
        token = serving.texts["default", "submitter"]
        creating.write(request("POST", "/v1/operations", token=token, headers=headers, body=body))
        await until(lambda: serving.engine.watchers == 3)
        for left, writer in enumerate([streaming, waiting, creating]):
            writer.close()
            await until(lambda left=left: serving.engine.watchers == 2 - left, 5)


async def test_shutting_down_ends_streams_and_waits(serving, client):
    operation = await serving.submit(client)
    async with serving.listening() as port:
        reader, writer, _ = await open_stream(serving, port, operation["id"])
        assert await read_event(reader)
        url = f"http://127.0.0.1:{port}/v1/operations/{operation['id']}?wait=60"
        token = serving.texts["default", "viewer"]
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as poller:
            waiting = asyncio.create_task(poller.get(url, timeout=30))
            await until(lambda: serving.engine.watchers == 2)
            serving.hub.close()
            async with asyncio.timeout(3):
                assert (await waiting).json()["state"] == "pending"
        assert await read_event(reader) is None
        writer.close()


async def test_a_quiet_stream_is_kept_alive_and_a_revoked_token_ends_it(
    serving, client, monkeypatch
):
    monkeypatch.setattr("outlast.http.streaming.KEEP_ALIVE_SECONDS", 0.1)
    operation = await serving.submit(client)
    made = (await client.post("/v1/tokens", json={"role": "viewer"})).json()
    serving.texts["default", "viewer"] = made["secret"]
    async with serving.listening() as port:
        reader, writer, _ = await open_stream(serving, port, operation["id"])
        assert await read_event(reader)
        async with asyncio.timeout(5):
            assert await reader.readuntil(b": keep-alive\n\n")
        await client.delete(f"/v1/tokens/{made['token']['id']}")
        assert await read_event(reader) is None
        writer.close()


async def test_a_body_that_never_comes_is_408(serving):
    token = serving.texts["default", "submitter"]
    async with serving.listening() as port:
        text = request("POST", "/v1/operations", token=token, headers=["Content-Length: 30"])
        _, writer, head = await raw_request(port, text + b'{"kind":')
        assert head.startswith(b"HTTP/1.1 408")
        writer.close()


async def test_a_client_that_leaves_in_the_middle_of_its_body_creates_nothing(serving, client):
    token = serving.texts["default", "submitter"]
    body = b'{"kind":"add","spec":{"a":1}}'
    async with serving.listening() as port:
        headers = ["Content-Length: 60"]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("POST", "/v1/operations", token=token, headers=headers, body=body))
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
        await until(lambda: 'status="499"' in serving.app.metrics.render().decode())
    assert (await client.get("/v1/operations")).json()["operations"] == []


async def test_a_body_that_is_too_large_is_answered_while_it_is_sent(serving):
    token = serving.texts["default", "submitter"]

    async def pieces():
        for _ in range(64):
            yield b" " * 65_536

    async with serving.listening() as port, httpx.AsyncClient() as sender:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{port}/v1/operations"
        for content in (pieces(), b" " * 4_000_000):
            answer = await sender.post(url, content=content, headers=headers)
            assert answer.status_code == 413
            assert answer.json()["code"] == "too_large"


async def test_a_head_that_never_ends_is_cut_off(serving):
    async with serving.listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nX-Long: ")
        answer = asyncio.create_task(reader.read(12))
        sent = 0
        async with asyncio.timeout(10):
            while not answer.done() and sent < 100_000_000:
                try:
                    writer.write(b"x" * 65_536)
                    await writer.drain()
                except ConnectionError:
                    break
                sent += 65_536
            assert await answer in {b"HTTP/1.1 400", b""}
        assert sent < 10_000_000
        writer.close()


async def test_many_requests_go_through_one_connection(serving, client):
    operation = await serving.submit(client)
    token = serving.texts["default", "viewer"]
    one = request("GET", f"/v1/operations/{operation['id']}", token=token)
    async with serving.listening() as port:
        reader, writer, _ = await raw_request(port, one * 20, until=b"\r\n\r\n{")
        received = b""
        async with asyncio.timeout(10):
            while received.count(b"HTTP/1.1 200") < 19:
                received += await reader.read(65_536)
        writer.close()


async def test_an_upgrade_to_a_websocket_is_not_taken(serving, caplog):
    text = request(
        "GET",
        "/healthz",
        headers=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
    )
    async with serving.listening() as port:
        _, writer, head = await raw_request(port, text)
        assert head.startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_batch_is_as_large_as_its_body_may_be(serving, client):
    body = {"operations": [{"kind": "add", "spec": {"a": 1, "note": "x" * 800}}] * 1000}
    answer = await client.post("/v1/operations:batch", json=body)
    assert answer.status_code == 200
