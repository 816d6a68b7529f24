"""What the demonstration submits, and what is known about the answers."""

from importlib.resources import files
from pathlib import Path
from typing import Any, Final

FLIGHTS: Final = Path(str(files("outlast.demo").joinpath("flights.parquet")))
FLIGHTS_ROWS: Final = 336_776
CARRIERS: Final = 16


def query(text: str, *, to: str, source: str = "flights") -> dict[str, Any]:
    """The spec of a query over a dataset."""
    return {"dialect": "yql", "query": text, "src": [{"dataset": source}], "dst": {"dataset": to}}


SPECS: Final = {
    # Every pair of flights of one carrier to one place: did the later one arrive later?
    "worse": query(
        "SELECT a.carrier AS carrier, COUNT(*) AS pairs, "
        "COUNT_IF(b.arr_delay > a.arr_delay) AS worse "
        "FROM {src_0} AS a INNER JOIN {src_0} AS b ON a.carrier = b.carrier AND a.dest = b.dest "
        "WHERE b.time_hour > a.time_hour "
        "GROUP BY a.carrier ORDER BY pairs DESC",
        to="worse",
    ),
    # Reads a file of the machine instead of a dataset.
    "refused": query("SELECT * FROM read_csv('/etc/passwd')", to="nowhere"),
    # An aircraft's registration is no number: known only once the rows are read.
    "failing": query(
        "SELECT Unwrap(CAST(tailnum AS Int32), 'a tail number is not a number') AS number "
        "FROM {src_0}",
        to="nowhere",
    ),
    # Twenty thousand million pairs: nobody waits for this.
    "endless": query(
        "SELECT a.origin AS origin, COUNT_IF(b.arr_delay + a.dep_delay > a.arr_delay) AS pairs "
        "FROM {src_0} AS a INNER JOIN {src_0} AS b ON a.origin = b.origin GROUP BY a.origin",
        to="nowhere",
    ),
}
