"""Claim: the same no-op, several times as many a second as peers drain on the same database.

Ours, DBOS, ours, Huey, ours, ... in turn, each round in a process of its own on a fresh database,
so that what else the machine does falls on all of them alike. Each peer's figure is divided into
the mean of ours before and after it; told are the median of these ratios and their range. With
--postgres the databases are of one PostgreSQL server, and pgqueuer stands in Huey's place.

Ours counts from the first create to the last success. A peer's counts only the drain: its tasks are
stored before its clock starts. Beside it stands what is like for like: our drain alone over the
peer's drain, taken in the same way; and for pgqueuer also both from create to success.
"""

import argparse
import json
import statistics
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from databases import Server, server

HERE = Path(__file__).parent
PEERS = {
    "DBOS": ["peer_dbos.py"],
    "Huey": ["peer_huey.py"],
    "Huey, success recorded": ["peer_huey.py", "--results"],
}
BARS = {"DBOS": 8.0, "Huey": 3.0}
PEERS_ON_POSTGRES = {
    "DBOS": ["peer_dbos.py", "--concurrency", "1000"],
    "pgqueuer": ["peer_pgqueuer.py"],
    "pgqueuer, created -> logged": [
        *("peer_pgqueuer.py", "--lifecycle", "--connections", "4", "--operations", "5000"),
    ],
}
BARS_ON_POSTGRES = {"DBOS": 5.0, "pgqueuer": 1.0, "pgqueuer, created -> logged": 1.0}


def run(script: str, *more: str) -> dict[str, Any]:
    """One round of a script; what it printed."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), *more],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def rate(told: dict[str, Any]) -> float:
    return float(told["operations"]) / float(told["seconds"])


class Comparison:
    """Rounds in turn. Lists have one entry a round; `settings` say what was set."""

    def __init__(self, peers: dict[str, list[str]], server: Server | None = None) -> None:
        self.peers = peers
        self.ours: list[float] = []
        self.drains: list[float] = []
        self.rates: dict[str, list[float]] = {peer: [] for peer in peers}
        self.ratios: dict[str, list[float]] = {peer: [] for peer in peers}
        self.drain_ratios: dict[str, list[float]] = {peer: [] for peer in peers}
        self.settings: dict[str, str] = {}
        self._server = server

    def measure(self, rounds: int) -> None:
        """Ours, a peer, ours, the next peer, ours, and so on."""
        self._ours()
        for _ in range(rounds):
            for peer, command in self.peers.items():
                told = self._run(*command)
                self.settings[peer] = f"{told['peer']}: {told['settings']}"
                theirs = rate(told)
                self._ours()
                self.rates[peer].append(theirs)
                self.ratios[peer].append(sum(self.ours[-2:]) / 2 / theirs)
                self.drain_ratios[peer].append(sum(self.drains[-2:]) / 2 / theirs)

    def _ours(self) -> None:
        self.ours.append(rate(self._run("lifecycle.py", "--json")))
        self.drains.append(rate(self._run("lifecycle.py", "--json", "--drain")))

    def _run(self, *command: str) -> dict[str, Any]:
        if self._server is None:
            return run(*command)
        url = self._server.new_database()
        try:
            return run(*command, "--url", url)
        finally:
            self._server.drop(url)


def compare(rounds: int, *, is_postgres: bool = False) -> Comparison:
    """So many rounds on SQLite, or on a PostgreSQL server of its own."""
    with server() if is_postgres else nullcontext() as own:
        comparison = Comparison(PEERS_ON_POSTGRES if is_postgres else PEERS, own)
        comparison.measure(rounds)
    return comparison


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postgres", action="store_true")
    wanted = parser.parse_args()
    bars = BARS_ON_POSTGRES if wanted.postgres else BARS
    comparison = compare(wanted.rounds, is_postgres=wanted.postgres)
    print(f"{'':34} {'a second':>10} {'range':>17} {'ours / it':>10} {'range':>13} {'bar':>5}")
    print(row("Outlast, created -> succeeded", comparison.ours))
    print(row("Outlast, drain alone", comparison.drains))
    for peer in comparison.peers:
        rates = comparison.rates[peer]
        print(row(peer, rates, comparison.ratios[peer], bars.get(peer)))
        print(row("  drain over drain", None, comparison.drain_ratios[peer]))
    for peer in comparison.peers:
        print(f"{peer}: {comparison.settings[peer]}")


def row(
    name: str,
    rates: list[float] | None,
    ratios: list[float] | None = None,
    bar: float | None = None,
) -> str:
    told = f"{name:34}"
    told += (
        " " * 29 if rates is None else f" {middle(rates, ',.0f'):>10} {spread(rates, ',.0f'):>17}"
    )
    if ratios is not None:
        told += f" {middle(ratios, '.2f'):>10} {spread(ratios, '.2f'):>13}"
    return told if bar is None else f"{told} {bar:5.0f}"


def middle(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}}"


def spread(values: list[float], form: str) -> str:
    return f"{min(values):{form}}-{max(values):{form}}"


if __name__ == "__main__":
    main()
