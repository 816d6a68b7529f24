"""Every claim, what was measured for it here and now, and the bar that it is held to."""

import argparse
import os
import platform
import statistics

import apsw

import noisy_neighbour
import peers
import pickup
import prune
import resources
import scale
from batch_inference import SHARE_MIN
from batch_inference import measure as measure_batches
from databases import Server, database, server
from in_process import run
from relay import ADDED_MS_MAX, added_ms
from relay import measure as measure_relay

AIM = 10_000
BATCH_ROWS = 5_000
PRUNED = 200_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("sqlite", "postgres"), help="one database's claims")
    parser.add_argument(
        "--scale", action="store_true", help="fill ten million operations too: minutes, 12 GB"
    )
    wanted = parser.parse_args()
    print(
        f"Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians of {wanted.rounds} rounds"
    )
    print(f"{'claim':56} {'median':>8} {'range':>15} {'bar':>12}", flush=True)
    if wanted.only != "postgres":
        tell_peers(peers.compare(wanted.rounds), peers.BARS, f"aim {AIM:,}")
        tell_pickup(pickup.measure_rounds(wanted.rounds), pickup.BARS)
        tell_noise(wanted.rounds)
        tell_models(wanted.rounds)
        tell_resources(wanted.rounds)
    if wanted.only != "sqlite":
        print("on PostgreSQL")
        comparison = peers.compare(wanted.rounds, is_postgres=True)
        tell_peers(comparison, peers.BARS_ON_POSTGRES, "")
        found = pickup.measure_rounds(wanted.rounds, is_postgres=True)
        tell_pickup(found, pickup.BARS_ON_POSTGRES)
        with server() as own:
            tell_noise(wanted.rounds, own)
        tell_prune()
        if wanted.scale:
            tell_scale(wanted.rounds)


def tell_peers(comparison: peers.Comparison, bars: dict[str, float], aim: str) -> None:
    tell("created -> succeeded in process, a second", comparison.ours, aim, ",.0f")
    tell("drain alone in process, a second", comparison.drains, "", ",.0f")
    for peer in comparison.peers:
        tell(f"  {peer}, a second", comparison.rates[peer], "", ",.0f")
        bar = f"at least {bars[peer]:.0f}" if peer in bars else ""
        tell(f"  created -> succeeded / {peer}", comparison.ratios[peer], bar, ".2f")
        tell(f"  drain / {peer}", comparison.drain_ratios[peer], "", ".2f")
    for peer in comparison.peers:
        print(f"  {peer}: {comparison.settings[peer]}")


def tell_pickup(pickups: list[pickup.Pickup], bars: dict[str, float]) -> None:
    tell("fdatasync p50, ms", [statistics.median(one.sync_ms) for one in pickups], "", ".2f")
    for name, most in bars.items():
        ratios = [one.ratios()[name] for one in pickups]
        tell(f"  pickup when idle: {name} / fdatasync p50", ratios, f"at most {most:.0f}", ".1f")


def tell_resources(rounds: int) -> None:
    found = resources.measure(rounds)
    bar = f"at most {resources.SHARE_MAX:.0f}"
    for door, costs in found.costs.items():
        name = f"a poll with 500 resources beside its bytes / one without, {door}"
        tell(name, [one.share for one in costs], bar, ".2f")
    bar = f"at most {resources.WAIT_SECONDS_MAX:.0f}"
    tell("a change of one of 500 resources waits, s", found.waits, bar, ".2f")


def tell_models(rounds: int) -> None:
    relays = measure_relay(rounds, seconds=2.0)
    batches = measure_batches(rounds, BATCH_ROWS)
    added = [added_ms(one) for one in relays]
    tell(
        "a relayed and logged chat takes longer by, ms", added, f"at most {ADDED_MS_MAX:.0f}", ".2f"
    )
    tell("relayed and logged chats a second", [one["relayed"][1] for one in relays], "", ",.0f")
    tell("rows of a batch a second", [rate for rate, _ in batches], "", ",.0f")
    shares = [share for _, share in batches]
    tell("  batch / the bare official client", shares, f"at least {SHARE_MIN}", ".2f")


def tell_noise(rounds: int, own: Server | None = None) -> None:
    found = noisy_neighbour.rounds_of(noisy_neighbour.BURSTS, rounds, own)
    tell("p99 wait beside a noisy tenant, ms", [one.p99 for one in found["beside"]], "", ".1f")
    bar = f"at most {noisy_neighbour.RATIO_MAX:.0f}"
    tell("  beside / alone", noisy_neighbour.ratios(found), bar, ".2f")


def tell_prune() -> None:
    with database(None, is_wanted=True) as url:
        rounds = run(lambda: prune.measure(url or "", PRUNED, seconds=5.0))
    tell("pruned a second, beside callers", [one.gone / one.seconds for one in rounds], "", ",.0f")
    ratios = [one.ratio(0.99) for one in rounds]
    tell("  callers' p99 / their usual", ratios, f"at most {prune.RATIO_MAX}", ".2f")


def tell_scale(rounds: int) -> None:
    for name, both in scale.measure(scale.LARGE, rounds, seconds=1.0).items():
        ratios = [large / small for small, large in both]
        bar = f"at most {scale.RATIO_MAX}"
        tell(f"  {name}: p50 at {scale.LARGE:,} / at {scale.SMALL:,}", ratios, bar, ".2f")


def tell(claim: str, values: list[float], bar: str, form: str) -> None:
    told = f"{statistics.median(values):>8{form}} {peers.spread(values, form):>15} {bar:>12}"
    print(f"{claim:56} {told}", flush=True)


if __name__ == "__main__":
    main()
