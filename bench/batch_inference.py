"""Claim: a batch asks a backend nearly as fast as the bare official client does.

    python bench/batch_inference.py [--rows 10000] [--rounds 5]

The backend is the double of the tests, which answers at once: what is measured is what a row costs
us. The bare client is a loop of coroutines around `chat.completions.create`, as many as the batch
has requests in flight. Its clock starts when it is ready to ask. The batch's clock runs from its
creation over HTTP until the server says that it is completed: a process is started, every row is
checked, answers become durable, and files are published. The two take turns within one run.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import openai

DOUBLE = Path(__file__).parents[1] / "tests" / "support" / "model_double.py"
CONCURRENCY = 16
SHARE_MIN = 0.7
CHAT = "/v1/chat/completions"


class Places:
    """The double and a server of ours, as processes of their own until `stack` ends them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.backend = _start([sys.executable, str(DOUBLE)], stack).strip()
        settings = folder / "settings.toml"
        settings.write_text(
            f'[backends.double]\nurl = "{self.backend}"\nmodels = ["double"]\n'
            f"concurrency = {CONCURRENCY}\n"
        )
        command = [sys.executable, "-m", "outlast", "serve", "--port", "0", "--workers", "1"]
        command += ["--data", str(folder / "data"), "--settings", str(settings), "--json"]
        started = json.loads(_start([*command, "--allow-unsandboxed"], stack))
        self.client = openai.OpenAI(
            base_url=started["url"] + "/nebius/v1",
            api_key=Path(started["token_file"]).read_text().strip(),
        )
        stack.callback(self.client.close)


def _start(command: list[str], stack: ExitStack) -> str:
    """Start a process; the first line that it prints."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    stack.callback(process.wait, 30)
    stack.callback(process.terminate)
    return "" if process.stdout is None else process.stdout.readline().decode()


def messages(number: int) -> list[dict[str, str]]:
    """What row `number` asks."""
    return [{"role": "user", "content": f"What is the capital of country {number}?"}]


async def ask_barely(url: str, rows: int) -> float:
    """Rows a second of the bare official client."""
    numbers = iter(range(rows))
    async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:

        async def work() -> None:
            for number in numbers:
                asked: list = messages(number)
                await client.chat.completions.create(model="double", messages=asked)

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        return rows / (time.perf_counter() - began)


def bare_rate(url: str, rows: int) -> float:
    """See `ask_barely`, in a process of its own."""
    command = [sys.executable, __file__, "--rows", str(rows), "--bare", url]
    return float(subprocess.run(command, check=True, capture_output=True).stdout)


def batch_rate(places: Places, rows: int) -> float:
    """Rows a second of a batch, from its creation to its end."""
    lines = [
        json.dumps(
            {
                "custom_id": f"row-{number}",
                "method": "POST",
                "url": CHAT,
                "body": {"model": "double", "messages": messages(number)},
            }
        )
        for number in range(rows)
    ]
    client = places.client
    content = "\n".join(lines).encode()
    file = client.files.create(file=("rows.jsonl", content), purpose="batch")
    began = time.perf_counter()
    batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    while batch.status not in {"completed", "failed"}:
        time.sleep(0.25)
        batch = client.batches.retrieve(batch.id)
    seconds = time.perf_counter() - began
    counts = batch.request_counts
    if counts is None or counts.completed != rows:
        raise RuntimeError(f"the batch did not complete: {batch}")
    return rows / seconds


def measure(rounds: int, rows: int) -> list[tuple[float, float]]:
    """For each round: rows a second of ours, and their share of the bare client's."""
    found = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places = Places(folder, stack)
        batch_rate(places, rows // 10)
        before = bare_rate(places.backend, rows)
        for _ in range(rounds):
            ours = batch_rate(places, rows)
            after = bare_rate(places.backend, rows)
            found.append((ours, 2 * ours / (before + after)))
            before = after
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        print(asyncio.run(ask_barely(arguments.bare, arguments.rows)))
        return
    found = measure(arguments.rounds, arguments.rows)
    for name, values, form in (
        ("rows a second", [rate for rate, _ in found], ",.0f"),
        ("share of the bare client's", [share for _, share in found], ".2f"),
    ):
        median = statistics.median(values)
        print(f"{name}: {median:{form}} ({min(values):{form}} to {max(values):{form}})")


if __name__ == "__main__":
    main()
