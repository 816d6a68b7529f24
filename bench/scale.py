"""Claim: what a caller reads over HTTP takes as long at 10 million operations as at 10 thousand.

    python bench/scale.py [--rows 10000000] [--rounds 5] [--seconds 1]

Two databases on one PostgreSQL server, filled alike but for their size, and an API server on each.
One caller asks both in turn: an operation by its id, and the first page of each list. Half of the
operations are the caller's tenant's, the rest belong to a hundred others; each has a label and a
resource; 3 of 100 have failed, 1 of 1,000 was cancelled, 1 of 1,000 is scheduled, the others have
succeeded. Every list has a full page in both databases. Filling takes minutes and 12 GB.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import uvloop

from databases import server
from http_api import load
from outlast.operations.ids import ALPHABET
from outlast.store.postgres import PostgresStore

SMALL = 10_000
LARGE = 10_000_000
RATIO_MAX = 1.5
LISTS = {
    "list": "",
    "list, state": "state=failed",
    "list, kind": "kind=file_to_dataset",
    "list, state and kind": "state=failed&kind=sql_query",
    "list, resource": "resource_type=database&resource_id=r7",
    "list, label": "label.team=t7",
}
PAGES = {
    "page with total": "",
    "page with total, status": "status=ASYNC_OPERATION_STATUS_FAILED",
    "page with total, kind": "kind=file_to_dataset",
    "page with total, kind and status": "kind=sql_query&status=ASYNC_OPERATION_STATUS_FAILED",
    "page with total, resource": "resource_type=database&resource_id=r7",
    "page 20 with total": "pagination.page=20",
}
"""What the Chainloop dialect answers: pages by number, each with how many there are in all."""
_DAY = 86_400_000_000


def _base32(number: str) -> str:
    """SQL for 50 bits of a number as ten characters of an id."""
    return "||".join(
        f"substr('{ALPHABET}', (({number} >> {shift}) & 31)::int + 1, 1)"
        for shift in range(45, -5, -5)
    )


FILL = f"""
INSERT INTO operations (id, tenant, created_by, kind, kind_version, revision, event_count,
    created_at, updated_at, available_at, attempt, attempts_max, priority, retention_seconds,
    resource_type, resource_id, started_at, finished_at, expire_at, state, labels, spec, result,
    readiness)
SELECT {_base32("(at / 1000 * 4)")} || {_base32("(n * 7919)")},
    CASE WHEN n % 2 = 0 THEN 'default' ELSE 'tenant' || n % 100 END, 'bench',
    CASE WHEN w < 50 THEN 'sql_query' WHEN w < 98 THEN 'kind' || w % 8 ELSE 'file_to_dataset' END,
    '1', 3, 3, at, at, CASE WHEN state = 'pending' THEN $2 + {_DAY} ELSE at END,
    1, 3, 0, 2592000, 'database', 'r' || n / 2 % ($1::bigint / 200),
    CASE WHEN state <> 'pending' THEN at END, CASE WHEN state <> 'pending' THEN at END,
    CASE WHEN state <> 'pending' THEN $3::bigint END, state,
    convert_to('{{"team":"t' || n / 2 % 50 || '"}}', 'utf8'),
    convert_to('{{"filling":"' || repeat('x', 100) || '"}}', 'utf8'), '\\x6e756c6c',
    CASE WHEN state = 'pending' THEN 0 END
FROM (SELECT n, n * 7 / 2 % 100 AS w, $2 - ($1 - n) * (20 * {_DAY} / $1) AS at,
    CASE (CASE WHEN v < 30 THEN 0 WHEN v = 30 THEN 1 WHEN v = 31 THEN 2 ELSE 3 END)
        WHEN 0 THEN 'failed' WHEN 1 THEN 'cancelled' WHEN 2 THEN 'pending' ELSE 'succeeded' END
        AS state
    FROM (SELECT n, n / 2 * 331 / 7 % 1000 AS v FROM generate_series(1::bigint, $1) AS n) AS a) AS b
"""
COUNTS = """
INSERT INTO counts (tenant, kind, state, count)
SELECT tenant, kind, state, count(*) FROM operations GROUP BY tenant, kind, state
"""
LABELS = """
INSERT INTO labels (tenant, key, value, operation_id)
SELECT tenant, 'team', convert_from(labels, 'utf8')::json ->> 'team', id FROM operations
"""


EVENTS = """
INSERT INTO events (operation_id, number, revision, type, at, attempt, actor)
SELECT id, number, number, (ARRAY['submitted', 'claimed', 'succeeded'])[number], created_at, 1,
    'bench' FROM operations, generate_series(1, 3) AS number
"""
LOGS = """
INSERT INTO logs (operation_id, number, at, attempt, text, bytes_end)
SELECT id, 1, created_at, 1, 'a line of a log', 15 FROM operations
"""


async def fill(
    url: str, rows: int, *, expires_in: int = 30 * _DAY, has_history: bool = False
) -> None:
    """A database with so many operations, as one has it that has been served for weeks."""
    store = PostgresStore(url)
    await store.open()
    await store.close()
    connection = await asyncpg.connect(url, command_timeout=7_200)
    await connection.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
    now = int(time.time() * 1_000_000)  # noqa: TID251  the database's clock is this machine's
    indexes = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'operations'"
        " AND indexname <> 'operations_pkey'"
    )
    for name, _ in indexes:
        await connection.execute(f"DROP INDEX {name}")
    # What counts the rows of a statement would hold ten million of them at once.
    await connection.execute("ALTER TABLE operations DISABLE TRIGGER USER")
    await connection.execute(FILL, rows, now, now + expires_in)
    await connection.execute("ALTER TABLE operations ENABLE TRIGGER USER")
    await connection.execute(COUNTS)
    for _, definition in indexes:
        await connection.execute(definition)
    for parts in (LABELS, EVENTS, LOGS) if has_history else (LABELS,):
        await connection.execute(parts)
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
    await connection.close()


class Served:
    """A database and the API server on it, until `stack` ends it."""

    def __init__(self, url: str, folder: Path, stack: ExitStack) -> None:
        command = [sys.executable, "-m", "outlast", "serve", "--port", "0", "--workers", "0"]
        self.process = subprocess.Popen(
            [*command, "--data", os.fspath(folder), "--json"],
            stdout=subprocess.PIPE,
            env={**os.environ, "OUTLAST_DATABASE": url, "OUTLAST_DATA_IS_SHARED": "true"},
        )
        stack.callback(self.process.wait, 30)
        stack.callback(self.process.terminate)
        if self.process.stdout is None:
            raise RuntimeError("the server tells nothing")
        told = json.loads(self.process.stdout.readline())
        self.port = urlsplit(told["url"]).port or 0
        self._token = Path(told["token_file"]).read_text().strip()

    def request(self, path: str) -> bytes:
        """The bytes of a GET."""
        head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {self._token}\r\n"
        return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()

    async def p50_ms(self, path: str, seconds: float) -> float:
        """How long one caller waits in the median."""
        told = await load(
            self.process.pid, self.port, self.request(path), connections=1, seconds=seconds
        )
        return told[1]


async def paths(url: str) -> dict[str, str]:
    """What is asked."""
    connection = await asyncpg.connect(url)
    middle = await connection.fetchval(
        "SELECT id FROM operations WHERE tenant = 'default' AND id > (SELECT id FROM operations"
        " TABLESAMPLE SYSTEM (1) LIMIT 1) ORDER BY id LIMIT 1"
    )
    await connection.close()
    return {
        "get": f"/v1/operations/{middle}",
        **{name: f"/v1/operations?{query}" for name, query in LISTS.items()},
        **{
            name: f"/chainloop/v1/operations?pagination.page_size=50&{query}"
            for name, query in PAGES.items()
        },
    }


async def compare(
    urls: list[str], served: list[Served], rounds: int, seconds: float
) -> dict[str, list[tuple[float, float]]]:
    """Both in turn, for each of what is asked: the medians of each round."""
    asked = [await paths(url) for url in urls]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in asked[0]}
    for warm in (True, *[False] * rounds):
        for name in asked[0]:
            small, large = [
                await one.p50_ms(where[name], seconds)
                for one, where in zip(served, asked, strict=True)
            ]
            if not warm:
                found[name].append((small, large))
    return found


def measure(rows: int, rounds: int, seconds: float) -> dict[str, list[tuple[float, float]]]:
    """For each of what is asked, the medians in ms of the small and of the large database."""
    with server() as own, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        urls = [own.new_database(), own.new_database()]
        for url, size in zip(urls, (SMALL, rows), strict=True):
            started = time.perf_counter()
            asyncio.run(fill(url, size))
            print(f"{size:,} operations in {time.perf_counter() - started:,.0f} s", flush=True)
        served = [Served(url, Path(folder) / str(place), stack) for place, url in enumerate(urls)]
        return uvloop.run(compare(urls, served, rounds, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=LARGE)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    wanted = parser.parse_args()
    found = measure(wanted.rows, wanted.rounds, wanted.seconds)
    print(f"{'p50 in ms, one caller':36}{SMALL:>14,}{wanted.rows:>14,}{'ratio':>8}{'bar':>6}")
    for name, rounds in found.items():
        small, large = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(large / small for small, large in rounds)
        print(f"{name:36}{small:14.2f}{large:14.2f}{ratio:8.2f}{RATIO_MAX:6.1f}")


if __name__ == "__main__":
    main()
