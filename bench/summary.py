"""Every claim, what was measured for it here and now, and the bar that it is held to."""

import argparse
import os
import platform
import statistics

import apsw

from batch_inference import SHARE_MIN
from batch_inference import measure as measure_batches
from in_process import run
from noisy_neighbour import BURSTS, RATIO_MAX, rounds_of
from peers import BARS as PEER_BARS
from peers import PEERS, Comparison, spread
from pickup import BARS as PICKUP_BARS
from pickup import measure
from relay import ADDED_MS_MAX, added_ms
from relay import measure as measure_relay

AIM = 10_000
BATCH_ROWS = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    comparison = Comparison()
    comparison.measure(rounds)
    pickups = [run(lambda: measure(500, 20)) for _ in range(rounds)]
    noisy = rounds_of(BURSTS, rounds)
    relays = measure_relay(rounds, seconds=2.0)
    batches = measure_batches(rounds, BATCH_ROWS)

    print(
        f"Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians of {rounds} rounds"
    )
    print(f"{'claim':52} {'median':>8} {'range':>15} {'bar':>12}")
    tell("created -> succeeded in process, a second", comparison.ours, f"aim {AIM:,}", ",.0f")
    tell("drain alone in process, a second", comparison.drains, "", ",.0f")
    for peer in PEERS:
        tell(f"  {peer}, drain alone, a second", comparison.rates[peer], "", ",.0f")
        bar = f"at least {PEER_BARS[peer]:.0f}" if peer in PEER_BARS else ""
        tell(f"  created -> succeeded / {peer}", comparison.ratios[peer], bar, ".1f")
        tell(f"  drain / {peer}", comparison.drain_ratios[peer], "", ".1f")
    tell("fdatasync p50, ms", [statistics.median(one.sync_ms) for one in pickups], "", ".2f")
    for name, most in PICKUP_BARS.items():
        ratios = [one.ratios()[name] for one in pickups]
        tell(f"  pickup when idle: {name} / fdatasync p50", ratios, f"at most {most:.0f}", ".1f")
    waits = [one.p99 for one in noisy["beside"]]
    tell("p99 wait beside a noisy tenant, ms", waits, "", ".1f")
    tell("  beside / alone", ratios(noisy), f"at most {RATIO_MAX:.0f}", ".2f")
    added = [added_ms(one) for one in relays]
    tell(
        "a relayed and logged chat takes longer by, ms", added, f"at most {ADDED_MS_MAX:.0f}", ".2f"
    )
    tell("relayed and logged chats a second", [one["relayed"][1] for one in relays], "", ",.0f")
    tell("rows of a batch a second", [rate for rate, _ in batches], "", ",.0f")
    shares = [share for _, share in batches]
    tell("  batch / the bare official client", shares, f"at least {SHARE_MIN}", ".2f")
    for peer in PEERS:
        print(f"{peer}: {comparison.settings[peer]}")


def tell(claim: str, values: list[float], bar: str, form: str) -> None:
    print(f"{claim:52} {statistics.median(values):>8{form}} {spread(values, form):>15} {bar:>12}")


if __name__ == "__main__":
    main()
