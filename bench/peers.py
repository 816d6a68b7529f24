"""Claim: the same no-op, several times as many a second as DBOS and Huey drain on SQLite.

Ours, DBOS, ours, Huey, ours, ... in turn, each round in a process of its own on a fresh file, so
that what else the machine does falls on all of them alike. Each peer's figure is divided into the
mean of ours before and after it; told are the median of these ratios and their range.

Ours counts from the first create to the last success. A peer's counts only the drain: its tasks are
stored before its clock starts. Beside it stands what is like for like: our drain alone over the
peer's drain, taken in the same way.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = {
    "DBOS": ["peer_dbos.py"],
    "Huey": ["peer_huey.py"],
    "Huey, success recorded": ["peer_huey.py", "--results"],
}
BARS = {"DBOS": 8.0, "Huey": 3.0}


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

    def __init__(self) -> None:
        self.ours: list[float] = []
        self.drains: list[float] = []
        self.rates: dict[str, list[float]] = {peer: [] for peer in PEERS}
        self.ratios: dict[str, list[float]] = {peer: [] for peer in PEERS}
        self.drain_ratios: dict[str, list[float]] = {peer: [] for peer in PEERS}
        self.settings: dict[str, str] = {}

    def measure(self, rounds: int) -> None:
        """Ours, a peer, ours, the next peer, ours, and so on."""
        self._ours()
        for _ in range(rounds):
            for peer, command in PEERS.items():
                told = run(*command)
                self.settings[peer] = f"{told['peer']}: {told['settings']}"
                theirs = rate(told)
                self._ours()
                self.rates[peer].append(theirs)
                self.ratios[peer].append(sum(self.ours[-2:]) / 2 / theirs)
                self.drain_ratios[peer].append(sum(self.drains[-2:]) / 2 / theirs)

    def _ours(self) -> None:
        self.ours.append(rate(run("lifecycle.py", "--json")))
        self.drains.append(rate(run("lifecycle.py", "--json", "--drain")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    comparison = Comparison()
    comparison.measure(wanted.rounds)
    print(f"{'':34} {'a second':>10} {'range':>17} {'ours / it':>10} {'range':>13} {'bar':>5}")
    print(row("Outlast, created -> succeeded", comparison.ours))
    print(row("Outlast, drain alone", comparison.drains))
    for peer in PEERS:
        rates = comparison.rates[peer]
        print(row(f"{peer}, drain alone", rates, comparison.ratios[peer], BARS.get(peer)))
        print(row("  drain over drain", None, comparison.drain_ratios[peer]))
    for peer in PEERS:
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
        told += f" {middle(ratios, '.1f'):>10} {spread(ratios, '.1f'):>13}"
    return told if bar is None else f"{told} {bar:5.0f}"


def middle(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}}"


def spread(values: list[float], form: str) -> str:
    return f"{min(values):{form}}-{max(values):{form}}"


if __name__ == "__main__":
    main()
