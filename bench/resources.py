"""Claim: an operation that shows its 500 resources costs a poll little, and shows them at once.

    python bench/resources.py [--resources 500] [--rounds 5] [--seconds 2]

One server, asked at its native door and at LakeSail's. Polls of three operations take turns: one
without resources, one with all of them, and one whose result has as many bytes more. The bar on the
processor time of a poll: at most twice that of the first, plus what the bytes cost the third.

Then one resource changes 50 times a second, and a client follows. A change waits at most from the
change that the client saw last until the next answer: that is held to one second.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import uvloop

from http_api import load
from outlast.clock import system_clock

CONNECTIONS: Final = 8
DOORS: Final = {"native": "/v1/operations", "LakeSail": "/lakesail/api/v1/operations"}
SHARE_MAX: Final = 2.0
WAIT_SECONDS_MAX: Final = 1.0


class Cost(NamedTuple):
    """Microseconds of the server's processor for a poll of each of the three operations."""

    plain: float
    full: float
    heavy: float

    @property
    def share(self) -> float:
        """What a poll with resources costs beside its bytes, over one without."""
        return (self.full - max(0.0, self.heavy - self.plain)) / self.plain


class Measured(NamedTuple):
    """What polls cost by door, and how long changes waited to be seen."""

    costs: dict[str, list[Cost]]
    waits: list[float]


class Place:
    """A server of ours with the kinds of this benchmark, until `stack` ends it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        command = [sys.executable, "-m", "outlast", "serve", "--port", "0", "--workers", "4"]
        command += ["--data", os.fspath(folder), "--kinds", "resource_kinds", "--json"]
        here = {"PYTHONPATH": os.fspath(Path(__file__).parent)}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, env=dict(os.environ) | here
        )
        stack.callback(self._process.wait, 30)
        stack.callback(self._process.terminate)
        line = b"" if self._process.stdout is None else self._process.stdout.readline()
        started = json.loads(line)
        self.token = Path(started["token_file"]).read_text().strip()
        self.client = stack.enter_context(
            httpx.Client(
                base_url=started["url"],
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=90,
            )
        )

    def start(self, **spec: Any) -> str:
        """An operation that runs, and has reported."""
        body = {"kind": "work", "spec": spec}
        id: str = self.client.post("/v1/operations", json=body).raise_for_status().json()["id"]
        while True:
            shown = self.client.get(f"/v1/operations/{id}?wait=5").json()
            if shown["result"] if spec.get("bytes") else shown["progress"]:
                return id

    def poll(self, door: str, id: str, seconds: float) -> float:
        """Microseconds of the server's processor that a poll costs."""
        head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        request = f"GET {DOORS[door]}/{id} HTTP/1.1\r\n{head}".encode()
        port = self.client.base_url.port or 0
        found = load(self._process.pid, port, request, connections=CONNECTIONS, seconds=seconds)
        return asyncio.run(found)[3]

    def waits(self, id: str) -> Iterator[float]:
        """How long at most a change was not to be seen, for each answer that shows one."""
        tag, stamp = "", system_clock() / 1e6
        while True:
            answer = self.client.get(f"/v1/operations/{id}?wait=30", headers={"If-None-Match": tag})
            seen_at, shown = system_clock() / 1e6, answer.json()
            if shown["state"] != "running":
                return
            tag, changed_at = answer.headers["etag"], float(shown["progress"]["message"])
            if changed_at > stamp:
                yield seen_at - stamp
            stamp = changed_at


def compare(place: Place, door: str, rounds: int, *, resources: int, seconds: float) -> list[Cost]:
    """What polls at a door cost without resources, with them, and for the bytes alone."""
    plain = place.start()
    full = place.start(resources=resources, seconds=3600)
    sizes = [len(place.client.get(f"{DOORS[door]}/{id}").content) for id in (plain, full)]
    heavy = place.start(bytes=sizes[1] - sizes[0])
    return [
        Cost(*(place.poll(door, id, seconds) for id in (plain, full, heavy))) for _ in range(rounds)
    ]


def measure(rounds: int, *, resources: int = 500, seconds: float = 2.0) -> Measured:
    """What polls cost at each door, and how long changes wait, on a server of its own."""
    with tempfile.TemporaryDirectory() as root, ExitStack() as stack:
        place = Place(Path(root), stack)
        costs = {
            door: compare(place, door, rounds, resources=resources, seconds=seconds)
            for door in DOORS
        }
        moving = place.start(resources=resources, changes_per_second=50, seconds=12)
        return Measured(costs, list(place.waits(moving)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--resources", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    wanted = parser.parse_args()
    uvloop.install()
    found = measure(wanted.rounds, resources=wanted.resources, seconds=wanted.seconds)
    for door, costs in found.costs.items():
        shares = [one.share for one in costs]
        plain, full, heavy = (statistics.median(column) for column in zip(*costs, strict=True))
        print(
            f"{door:10} {plain:6.0f} us without, {full:6.0f} us with, {heavy:6.0f} for the bytes;"
            f" share {statistics.median(shares):.2f} ({min(shares):.2f}-{max(shares):.2f}),"
            f" at most {SHARE_MAX}"
        )
    waits = found.waits
    print(
        f"changes    waited {statistics.median(waits):.2f} s, at most {max(waits):.2f} s"
        f" ({len(waits)} answers), at most {WAIT_SECONDS_MAX:.0f} s"
    )


if __name__ == "__main__":
    main()
