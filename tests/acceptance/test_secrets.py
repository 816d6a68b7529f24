"""Where secrets can be seen while they are used: in the memory of those who use them."""

import asyncio
import hashlib
import os
import secrets as random
import time
from pathlib import Path

import msgspec
import process_table
import pytest
from live_server import LiveServer

from outlast.engine.access import DEFAULT_TENANT
from outlast.operations.model import Submission
from outlast.resources.keyring import read_keys
from outlast.resources.secrets import Secrets
from outlast.store.port import Creation
from outlast.store.sqlite import SqliteStore

pytestmark = pytest.mark.acceptance

BACKEND = """
[backends.demo]
url = "http://127.0.0.1:9"
models = ["m"]
api_key_variable = "DEMO_KEY"
"""


async def create(server, texts, until):
    """Operations of both kinds that own a sealed secret, as a door would create them."""
    store = SqliteStore(server.data / "outlast.db", run_folder=server.data / "run")
    await store.open()
    try:
        keyring = read_keys((server.data / "secret.key").read_text(), "secret.key")
        keeper = Secrets(
            store.catalog, keyring, backends={}, environment={}, now=store.operations.now
        )
        creations = []
        for kind, text in texts.items():
            reference, write = keeper.seal(DEFAULT_TENANT, text)
            submission = Submission(
                tenant=DEFAULT_TENANT,
                created_by="ada",
                kind=kind,
                spec=msgspec.json.encode({"own": reference, "until": str(until)}),
                attempts_max=2,
            )
            creations.append(Creation(submission=submission, writes=[write]))
        return [made.operation.id for made in await store.operations.create(creations)]
    finally:
        await store.close()


def until(condition, seconds=30):
    ends_at = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.05)
    return found


def seen_in(folder, *texts):
    """The files below a folder that hold one of the texts."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_socket()]
    return [path for path in files if any(text.encode() in path.read_bytes() for text in texts)]


def of_process(pid, what):
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""  # it has ended meanwhile


def test_secrets_reach_handlers_and_are_seen_nowhere_else(tmp_path):
    texts = {kind: f"own-{random.token_hex(16)}" for kind in ("hold", "hold_inline")}
    key = f"backend-{random.token_hex(16)}"
    here = str(Path(__file__).parent)
    environment = {"DEMO_KEY": key, "PYTHONPATH": here}
    server = LiveServer(
        tmp_path, BACKEND, environment=environment, arguments=["--kinds", "secret_kinds"]
    ).start()
    try:
        go = tmp_path / "go"
        own = asyncio.run(create(server, texts, go))
        with server.http() as http:

            def logs():
                told = [http.get(f"/v1/operations/{one}/logs").json()["lines"] for one in own]
                return told if told[0] else None

            [[line, *_], _] = until(logs)
            assert line["text"] == "holding [secret]"
            tree = [
                os.getpid(),
                *(one.pid for one in process_table.descendants(server.process.pid)),
            ]
            for pid in tree:
                for what in ("cmdline", "environ"):
                    shown = of_process(pid, what)
                    assert not any(text.encode() in shown for text in texts.values())
                assert key.encode() not in of_process(pid, "cmdline")
            assert seen_in(tmp_path, key, *texts.values()) == []
            go.touch()
            for one, text in zip(own, texts.values(), strict=True):
                ended = http.get(f"/v1/operations/{one}", params={"wait": 30}).json()
                assert ended["state"] == "succeeded", ended
                assert ended["result"] == {
                    "own": hashlib.sha256(text.encode()).hexdigest(),
                    "backend": hashlib.sha256(key.encode()).hexdigest(),
                }
                told = http.get(f"/v1/operations/{one}/events").text
                assert "[secret] was refused" in told
            entries = http.get("/v1/audit").json()["records"]
            reads = [one for one in entries if one["action"] == "secret.read"]
            assert sorted(one["target"] for one in reads) == sorted(own * 2)
    finally:
        server.stop()
    assert seen_in(tmp_path, key, *texts.values()) == []
    assert (server.data / "secret.key").stat().st_mode & 0o777 == 0o600
