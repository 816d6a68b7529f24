"""Claim: a chat that is relayed, and logged, costs little beside what any model's server takes.

    python bench/relay.py [--seconds 2] [--rounds 5]

The model's server is the double of the tests, which answers at once. It is asked directly and
through a server of ours, with and without the chat log, in turn within each round: by one caller,
for what the relay adds to an answer, and by sixteen, for how many it passes on.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import uvloop

from http_api import load

DOUBLE = Path(__file__).parents[1] / "tests" / "support" / "model_double.py"
CONNECTIONS = 16
ADDED_MS_MAX = 5.0
WAYS = ("direct", "relayed", "relayed, not logged")

Round: TypeAlias = dict[str, tuple[float, float]]
"""For each way: the median latency for one caller in ms, and answers a second for sixteen."""


class Places:
    """Both servers, as processes of their own until `stack` ends them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._double, told = _start([sys.executable, os.fspath(DOUBLE)], stack)
        url = told.strip()
        settings = folder / "settings.toml"
        settings.write_text(
            f'[backends.double]\nurl = "{url}"\nmodels = ["double"]\n'
            f"concurrency = {CONNECTIONS}\n[outbound]\nallow = ['127.0.0.1']\n"
        )
        command = [sys.executable, "-m", "outlast", "serve", "--port", "0", "--workers", "0"]
        command += ["--data", os.fspath(folder / "data"), "--settings", os.fspath(settings)]
        self._server, line = _start([*command, "--json"], stack)
        started = json.loads(line)
        self._token = Path(started["token_file"]).read_text().strip()
        self._urls = {"direct": url, "relayed": started["url"] + "/nebius/v1"}

    def request(self, way: str) -> tuple[int, int, bytes]:
        """The process, the port and the bytes of one chat."""
        private = ',"store":false' if way == "relayed, not logged" else ""
        messages = '[{"role":"user","content":"What is the capital of France?"}]'
        body = f'{{"model":"double","messages":{messages}{private}}}'
        process = self._double if way == "direct" else self._server
        url = urlsplit(self._urls["direct" if way == "direct" else "relayed"])
        head = (
            f"POST {url.path}/chat/completions HTTP/1.1\r\n"
            f"Host: 127.0.0.1\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return process.pid, url.port or 0, (head + body).encode()


def _start(command: list[str], stack: ExitStack) -> tuple[subprocess.Popen[bytes], str]:
    """A process, and the first line that it prints."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    stack.callback(process.wait, 30)
    stack.callback(process.terminate)
    line = b"" if process.stdout is None else process.stdout.readline()
    return process, line.decode()


async def one_round(places: Places, seconds: float) -> Round:
    """Every way in turn."""
    found: Round = {}
    for way in WAYS:
        pid, port, request = places.request(way)
        _, p50, _, _ = await load(pid, port, request, connections=1, seconds=seconds)
        rate, _, _, _ = await load(pid, port, request, connections=CONNECTIONS, seconds=seconds)
        found[way] = p50, rate
    return found


def measure(rounds: int, seconds: float) -> list[Round]:
    """So many rounds on fresh servers."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        places = Places(Path(folder), stack)
        return [uvloop.run(one_round(places, seconds)) for _ in range(rounds)]


def added_ms(found: Round, way: str = "relayed") -> float:
    """What a way adds to the median answer."""
    return found[way][0] - found["direct"][0]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rounds = measure(arguments.rounds, arguments.seconds)
    print(f"{'':22}{'p50 ms':>9}{'added ms':>10}{'a second':>10}{'of direct':>11}")
    for way in WAYS:
        p50, rate = (statistics.median(one[way][i] for one in rounds) for i in (0, 1))
        added = statistics.median(added_ms(one, way) for one in rounds)
        share = statistics.median(one[way][1] / one["direct"][1] for one in rounds)
        print(f"{way:22}{p50:9.2f}{added:10.2f}{rate:10.0f}{share:11.2f}")


if __name__ == "__main__":
    main()
