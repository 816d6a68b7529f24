"""How many more operations a second two servers on one PostgreSQL database do than one.

    python bench/servers.py [--rounds 3]

Each is a process with an engine and a worker, as in lifecycle.py, with operations of a kind of its
own. One alone and two at once take turns, each on a fresh database. Told is the sum of both over
the one. Where server and clients share two cores, the cores decide; what locks take shows beside.
"""

import argparse
import json
import statistics
import subprocess
import sys

from databases import Server, server
from peers import HERE, rate, spread


def total(own: Server, kinds: tuple[str, ...], operations: int) -> float:
    """Operations a second of one process for each kind, all at once."""
    url = own.new_database()
    command = [sys.executable, str(HERE / "lifecycle.py"), "--json", "--url", url]
    command += ["--operations", str(operations)]
    started = [
        subprocess.Popen([*command, "--kind", kind], stdout=subprocess.PIPE) for kind in kinds
    ]
    told = [process.communicate(timeout=600)[0] for process in started]
    own.drop(url)
    return sum(rate(json.loads(each)) for each in told)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--operations", type=int, default=10_000)
    wanted = parser.parse_args()
    one: list[float] = []
    two: list[float] = []
    with server() as own:
        for _ in range(wanted.rounds):
            one.append(total(own, ("first",), wanted.operations))
            two.append(total(own, ("first", "second"), wanted.operations))
    ratios = [both / alone for alone, both in zip(one, two, strict=True)]
    for name, rates in (("one server", one), ("two servers", two)):
        print(f"{name:12} {statistics.median(rates):8,.0f} a second   {spread(rates, ',.0f')}")
    print(f"two / one    {statistics.median(ratios):8.2f}            {spread(ratios, '.2f')}")


if __name__ == "__main__":
    main()
