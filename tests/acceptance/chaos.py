"""Kills server, worker, guards and children with -9 at random, and looks for broken promises.

    python tests/acceptance/chaos.py --kills 200 [--seed N] [--seconds 900] [--keep]
    python tests/acceptance/chaos.py --database postgres --kills 100 --database-restarts 20

On PostgreSQL there are two servers with a worker each, and two workers more, and the database
itself is restarted under them, in immediate mode: without a checkpoint, and no session is told.

Clients create operations over HTTP (with an idempotency key, and again when the connection breaks),
cancel some and look at others. Half of the kills are aimed: they fall within 50 ms of a write. When
the kills are done the server gets time to end every operation; then it is stopped, and the checker
compares what it says with what the attempts wrote outside. Leaves with 1 if a promise was broken.
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chaos_checker
import chaos_recovery
import httpx
import process_table
from chaos_checker import TERMINAL, Evidence, Glance, Line, Violation
from chaos_installation import SHORT_RECOVERY, Installation
from process_table import Process

sys.path.append(str(Path(__file__).parent.parent / "support"))
from own_postgres import OwnPostgres

COUNTED = {"pending": 1, "running": 2, "succeeded": 3, "failed": 4}
"""What states are called where they are counted; what was cancelled is counted as failed."""
CLIENTS = 6
OPEN_MAX = 8
AIMED_SHARE = 0.5
AIM_SECONDS = 0.05
PAUSE_SECONDS_MAX = 1.5
PATIENCE_SECONDS = 6.0
RESTART_PAUSE_SECONDS = (0.5, 3.0)
CANCEL_SHARE = 0.008
RECOVERY_ROUNDS = 3
VICTIMS = {"child": 34, "worker": 20, "server": 20, "guard": 16, "grandchild": 10}
KINDS = {
    "chaos_work": 40,
    "chaos_inline": 15,
    "chaos_prepared": 15,
    "chaos_brief": 10,
    "chaos_keyed": 10,
    "chaos_deaf": 10,
}


@dataclass(frozen=True)
class Kill:
    """One kill that hit. `pids` are the processes that wrote outside and ended with it."""

    victim: str
    at: float
    process: Process
    aimed: bool
    pids: frozenset[int]


@dataclass
class Report:
    """What came of a round."""

    title: str
    seed: int
    seconds: float
    kills: list[Kill]
    evidence: Evidence
    violations: list[Violation]
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    near_writes: int = 0
    resends: int = 0
    restarts: int = 0
    refusals: int = 0


class Round:
    """Some kills on one installation, and restarts of its database."""

    def __init__(
        self,
        installation: Installation,
        title: str,
        seed: int,
        *,
        kills: int,
        seconds: float,
        database: OwnPostgres | None = None,
        restarts: int = 0,
    ) -> None:
        self.installation = installation
        self.title = title
        self.seed = seed
        self.evidence = Evidence()
        self.kills: list[Kill] = []
        self.resends = 0
        self.restarts = 0
        self.refusals = 0
        self._database = database
        self._wanted_restarts = restarts
        self._random = random.Random(seed)
        self._wanted = kills
        self._seconds = seconds
        self._writes: list[float] = []
        self._write = asyncio.Event()
        self._open: set[str] = set()
        self._seen: dict[tuple[int, int], Process] = {}
        self._stopping = False
        self._turns = itertools.count()
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(10, connect=2),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=0),
        )

    async def run(self) -> Report:
        """Start, kill, let it end, stop, judge."""
        started = time.monotonic()
        installation = self.installation
        installation.make_outside()
        installation.start()
        try:
            await asyncio.to_thread(installation.wait_until_ready)
            self._http.headers["Authorization"] = f"Bearer {installation.token}"
            keeper = asyncio.create_task(self._keep_alive())
            tail = asyncio.create_task(self._follow_outside())
            clients = [asyncio.create_task(self._client(one)) for one in range(CLIENTS)]
            watcher = asyncio.create_task(self._watch())
            await asyncio.gather(self._kill_all(), self._restart_database())
            self._stopping = True
            await asyncio.gather(*clients, watcher)
            await self._await_ends()
            await self._collect()
            for task in (keeper, tail):
                task.cancel()
            await asyncio.gather(keeper, tail, return_exceptions=True)
            await asyncio.to_thread(installation.stop)
            self._judge_survivors(await asyncio.to_thread(installation.survivors, 5))
        finally:
            await self._http.aclose()
            installation.clear()
        self.evidence.lines = [Line(**line) for line in installation.lines()]
        return Report(
            title=self.title,
            seed=self.seed,
            seconds=time.monotonic() - started,
            kills=self.kills,
            evidence=self.evidence,
            violations=chaos_checker.check(self.evidence),
            recoveries=recoveries(self.kills, self.evidence.lines),
            near_writes=self._near_writes(),
            resends=self.resends,
            restarts=self.restarts,
            refusals=self.refusals,
        )

    # What an init system would do.

    async def _keep_alive(self) -> None:
        while True:
            server = self.installation.server
            if server is not None and server.poll() is not None:
                self.installation.start()
            self.installation.start_others()
            await asyncio.sleep(0.02)

    # What clients do.

    async def _client(self, number: int) -> None:
        chance = random.Random(f"{self.seed}-{number}")
        mine: list[str] = []
        for count in itertools.count():
            if self._stopping:
                return
            mine = [one for one in mine if one in self._open]
            if len(mine) < OPEN_MAX:
                mine.append(await self._create(chance, f"{self.seed}-{number}-{count}"))
            if mine and chance.random() < CANCEL_SHARE:
                await self._cancel(chance.choice(mine))
            await asyncio.sleep(chance.uniform(0, 0.25))

    async def _create(self, chance: random.Random, key: str) -> str:
        [kind] = chance.choices(list(KINDS), KINDS.values())
        body = {
            "kind": kind,
            "labels": {"key": key},
            "spec": {
                "outside": str(self.installation.outside),
                "steps": chance.randint(1, 8),
                "step_seconds": round(chance.uniform(0.01, 0.3), 3),
                "retries": chance.choice([0, 0, 0, 1, 2]),
                "grandchild": kind != "chaos_inline" and chance.random() < 0.3,
                "key": chance.choice(["red", "blue"]) if kind == "chaos_keyed" else None,
            },
        }
        answer = await self._send("POST", "/v1/operations", key=key, json=body)
        if answer.status_code not in {200, 202}:
            raise RuntimeError(f"create: {answer.status_code} {answer.text}")
        created = answer.json()
        self.evidence.acknowledged.append((key, created["id"]))
        self._open.add(created["id"])
        if chance.random() < 0.15:
            # A client that did not see the answer asks again.
            again = await self._send("POST", "/v1/operations", key=key, json=body)
            if again.status_code in {200, 202}:
                self.evidence.acknowledged.append((key, again.json()["id"]))
        return str(created["id"])

    async def _cancel(self, operation_id: str) -> None:
        answer = await self._send("POST", f"/v1/operations/{operation_id}/cancel")
        if answer.status_code in {200, 202}:
            self.evidence.cancelled.add(operation_id)
        elif answer.status_code != httpx.codes.CONFLICT:
            raise RuntimeError(f"cancel: {answer.status_code} {answer.text}")

    async def _watch(self) -> None:
        chance = random.Random(f"{self.seed}-watcher")
        while not self._stopping:
            for operation_id in chance.sample(sorted(self._open), min(5, len(self._open))):
                await self._look(operation_id)
            await asyncio.sleep(0.05)

    async def _look(self, operation_id: str) -> str:
        answer = await self._send("GET", f"/v1/operations/{operation_id}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            self._open.discard(operation_id)
            return "lost"
        answer.raise_for_status()
        seen = answer.json()
        self.evidence.glances.append(
            Glance(
                operation=operation_id,
                revision=seen["revision"],
                state=seen["state"],
                attempt=seen["attempt"],
                nonce=(seen["progress"] or {}).get("message"),
            )
        )
        if seen["state"] in TERMINAL:
            self._open.discard(operation_id)
        return str(seen["state"])

    async def _send(
        self, method: str, path: str, *, key: str | None = None, **more: Any
    ) -> httpx.Response:
        """Send until there is an answer, whatever happens to server and database meanwhile."""
        headers = {} if key is None else {"Idempotency-Key": key}
        urls = self.installation.urls
        ends_at = time.monotonic() + 120
        for tries in itertools.count():
            if method == "POST":
                self._wrote(_now())
            try:
                url = urls[next(self._turns) % len(urls)]
                answer = await self._http.request(method, url + path, headers=headers, **more)
            except httpx.TransportError:
                if time.monotonic() > ends_at:
                    raise
                self.resends += tries == 0
                await asyncio.sleep(0.05)
            else:
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return answer
                if time.monotonic() > ends_at:
                    raise RuntimeError(f"still unavailable: {answer.text}")
                self.refusals += 1
                await asyncio.sleep(0.2)
        raise AssertionError

    # Kills.

    async def _kill_all(self) -> None:
        ends_at = time.monotonic() + self._seconds
        while len(self.kills) < self._wanted and time.monotonic() < ends_at:
            await asyncio.sleep(self._random.uniform(0.05, PAUSE_SECONDS_MAX))
            [victim] = self._random.choices(list(VICTIMS), VICTIMS.values())
            aimed = self._random.random() < AIMED_SHARE
            if await self._until_there(victim):
                if aimed:
                    await self._until_write()
                self._kill_one(victim, aimed=aimed)

    async def _restart_database(self) -> None:
        chance = random.Random(f"{self.seed}-database")
        while self._database is not None and self.restarts < self._wanted_restarts:
            await asyncio.sleep(chance.uniform(*RESTART_PAUSE_SECONDS))
            if chance.random() < AIMED_SHARE:
                await self._until_write()
            await asyncio.to_thread(self._database.restart)
            self.restarts += 1

    async def _until_there(self, victim: str) -> bool:
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends_at:
            if self.installation.processes()[victim]:
                return True
            await asyncio.sleep(0.03)
        return False

    async def _until_write(self) -> None:
        self._write.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._write.wait()
        await asyncio.sleep(self._random.uniform(0, AIM_SECONDS * 0.6))

    def _kill_one(self, victim: str, *, aimed: bool) -> None:
        processes = self.installation.processes()
        for process in itertools.chain.from_iterable(processes.values()):
            self._seen[process.pid, process.started] = process
        if not processes[victim]:
            return
        process = self._random.choice(processes[victim])
        pids = frozenset(
            [process.pid, *(one.pid for one in process_table.descendants(process.pid))]
        )
        at = _now()
        if process_table.kill(process):
            self.kills.append(Kill(victim, at, process, aimed, pids))

    def _wrote(self, at: float) -> None:
        self._writes.append(at)
        self._write.set()

    async def _follow_outside(self) -> None:
        size = 0
        while True:
            now = self.installation.outside.stat().st_size
            if now > size:
                size = now
                self._wrote(_now())
            await asyncio.sleep(0.002)

    def _near_writes(self) -> int:
        writes = sorted([*self._writes, *(line.at for line in self.evidence.lines)])
        near = 0
        for kill in self.kills:
            near += any(abs(at - kill.at) <= AIM_SECONDS for at in writes)
        return near

    # The end.

    async def _await_ends(self, seconds: float = 120) -> None:
        ends_at = time.monotonic() + seconds
        while self._open and time.monotonic() < ends_at:
            for operation_id in sorted(self._open):
                await self._look(operation_id)
            await asyncio.sleep(0.2)

    async def _collect(self) -> None:
        evidence = self.evidence
        token: str | None = None
        while True:
            query = {"page_size": 200, "view": "full"} | ({"page_token": token} if token else {})
            page = (await self._send("GET", "/v1/operations", params=query)).json()
            for operation in page["operations"]:
                evidence.operations[operation["id"]] = operation
            token = page["next_page_token"]
            if token is None:
                break
        for operation_id in evidence.operations:
            path = f"/v1/operations/{operation_id}/events"
            answer = await self._send("GET", path, params={"limit": 1000})
            evidence.events[operation_id] = answer.json()["events"]
        for state, status in COUNTED.items():
            query = {"status": status, "pagination.page_size": 1}
            answer = await self._send("GET", "/chainloop/v1/operations", params=query)
            evidence.counted[state] = answer.json()["pagination"]["total_count"]

    def _judge_survivors(self, marked: list[Process]) -> None:
        alive = {(process.pid, process.started): process for process in marked}
        alive |= {
            key: process for key, process in self._seen.items() if process_table.is_alive(process)
        }
        self.evidence.survivors = [str(process) for process in alive.values()]


def recoveries(kills: list[Kill], lines: list[Line]) -> dict[str, list[float]]:
    """Seconds from a kill to the next attempt of each operation that ran in what was killed."""
    found: dict[str, list[float]] = {}
    by_operation: dict[str, list[Line]] = {}
    for line in lines:
        by_operation.setdefault(line.operation, []).append(line)
    for kill in kills:
        for written in by_operation.values():
            before = [line for line in written if line.at <= kill.at]
            later = [line for line in written if line.at > kill.at]
            if not before or not later or before[-1].pid not in kill.pids:
                continue
            if before[-1].what not in {"end", "retry"} and later[0].what == "start":
                found.setdefault(kill.victim, []).append(later[0].at - kill.at)
    return found


def tell(report: Report) -> str:
    """The summary table."""
    evidence = report.evidence
    ends = Counter(operation["state"] for operation in evidence.operations.values())
    failures = Counter(
        operation["failure"]["code"]
        for operation in evidence.operations.values()
        if operation["failure"] is not None
    )
    rules = Counter(violation.rule for violation in report.violations)
    victims = Counter(kill.victim for kill in report.kills)
    attempts = sum(
        event["type"] == "claimed" for events in evidence.events.values() for event in events
    )
    rows = [
        ("seed", str(report.seed)),
        ("seconds", f"{report.seconds:.0f}"),
        ("kills", f"{len(report.kills)} ({_counts(victims)})"),
        ("  within 50 ms of a write", str(report.near_writes)),
        ("database restarts", str(report.restarts)),
        ("operations", f"{len(evidence.operations)} ({_counts(ends)})"),
        ("  failures", _counts(failures) or "none"),
        ("  acknowledged, resent", f"{len(evidence.acknowledged)}, {report.resends}"),
        ("  told 503, and came again", str(report.refusals)),
        ("  cancels acknowledged", str(len(evidence.cancelled))),
        ("attempts", f"{attempts}, outside lines {len(evidence.lines)}"),
        ("lost", str(rules.pop("lost", 0) + rules.pop("unfinished", 0))),
        ("double ends", str(rules.pop("two_ends", 0))),
        ("stale writes", str(rules.pop("stale_write", 0))),
        ("other broken promises", _counts(rules) or "none"),
    ]
    for victim, seconds in sorted(report.recoveries.items()):
        told = f"p50 {statistics.median(seconds):.1f} s, max {max(seconds):.1f} s of {len(seconds)}"
        rows.append((f"running again after {victim}", told))
    lines = [f"-- {report.title}", *(f"{name:28} {value}" for name, value in rows)]
    return "\n".join([*lines, *(f"BROKEN {violation}" for violation in report.violations[:40])])


def _now() -> float:
    return time.time()  # noqa: TID251  lines of the outside file carry this machine's time


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common())


@contextlib.contextmanager
def folder(*, keep: bool) -> Iterator[Path]:
    """A temporary folder, kept if wanted."""
    path = Path(tempfile.mkdtemp(prefix="outlast-chaos-"))
    try:
        yield path
    finally:
        if not keep:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def own_database(*, is_wanted: bool) -> Iterator[OwnPostgres | None]:
    """A PostgreSQL server, if wanted."""
    if not is_wanted:
        yield None
        return
    database = OwnPostgres()
    try:
        yield database.start()
    finally:
        database.remove()


async def chaos(wanted: argparse.Namespace, seed: int) -> bool:
    """The rounds: short recovery numbers for most of the kills, the defaults for the rest."""
    by_default = 0 if wanted.brief else min(20, wanted.kills // 10)
    short = wanted.kills - by_default
    rounds = [
        ("short recovery numbers", SHORT_RECOVERY, short, wanted.seconds * 0.75, wanted.restarts)
    ]
    if by_default:
        rounds.append(("default recovery numbers", {}, by_default, wanted.seconds * 0.25, 0))
    honest = True
    for title, recovery_table, count, limit, restarts in rounds:
        is_shared = wanted.database == "postgres"
        with folder(keep=wanted.keep) as path, own_database(is_wanted=is_shared) as database:
            installation = Installation(path, dict(recovery_table))
            if database is not None:
                share(installation, database, brief=wanted.brief)
            one = Round(
                installation,
                title,
                seed,
                kills=count,
                seconds=limit,
                database=database,
                restarts=restarts,
            )
            report = await one.run()
            _say(tell(report))
            if report.violations and wanted.keep:
                _say(f"kept in {path}")
            honest = honest and not report.violations
    return honest


def share(installation: Installation, database: OwnPostgres, *, brief: bool) -> None:
    """Put the installation on the database, and more processes beside its server."""
    installation.database = database.url()
    installation.slots = 3
    installation.add_worker()
    if not brief:
        installation.add_worker()
        installation.add_server()


def recover(*, keep: bool) -> bool:
    """How fast operations run again with the default settings; whether within the bar."""
    in_time = True
    _say("-- running again after kill -9, default settings, one kill at a time")
    with folder(keep=keep) as path:
        for victim, seconds in chaos_recovery.measure(path, RECOVERY_ROUNDS).items():
            bar = chaos_recovery.SECONDS_MAX[victim]
            told = f"median {statistics.median(seconds):.1f} s, max {max(seconds):.1f} s"
            _say(f"{victim:28} {told} of {len(seconds)} (at most {bar:.0f} s)")
            in_time = in_time and max(seconds) <= bar
    return in_time


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1200, help="at most so long")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--database-restarts", type=int, default=0, dest="restarts", metavar="N")
    parser.add_argument("--brief", action="store_true", help="nothing with default settings")
    parser.add_argument("--keep", action="store_true", help="keep the data folders")
    wanted = parser.parse_args()
    if wanted.restarts and wanted.database != "postgres":
        parser.error("only a PostgreSQL server can be restarted: --database postgres")
    seed = secrets.randbelow(2**31) if wanted.seed is None else wanted.seed
    _say(f"seed {seed}")
    honest = asyncio.run(chaos(wanted, seed))
    in_time = wanted.brief or wanted.database != "sqlite" or recover(keep=wanted.keep)
    sys.exit(0 if honest and in_time else 1)


if __name__ == "__main__":
    main()
