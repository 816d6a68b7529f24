"""What the demonstration submits, and what is known about the answers."""

from importlib.resources import files
from pathlib import Path
from typing import Any, Final

FLIGHTS: Final = Path(str(files("outlast.demo").joinpath("flights.parquet")))
FLIGHTS_ROWS: Final = 336_776
BUSIEST_ROW: Final = {"carrier": "B6", "flights": 42_076}
CARRIERS: Final = 10
PAIRS_ROW: Final = {"pairs": 259_969_209, "later": 120_610_919}


def query(text: str, *, to: str, source: str = "flights") -> dict[str, Any]:
    """The spec of a query over a dataset."""
    return {"dialect": "yql", "query": text, "src": [{"dataset": source}], "dst": {"dataset": to}}


SPECS: Final = {
    "carriers": query(
        "SELECT carrier, COUNT(*) AS flights, AVG(arr_delay) AS minutes_late "
        "FROM {src_0} WHERE origin = 'JFK' GROUP BY carrier ORDER BY flights DESC",
        to="carriers",
    ),
    "pairs": query(
        "SELECT COUNT(*) AS pairs, COUNT_IF(b.arr_delay > a.arr_delay) AS later "
        "FROM {src_0} AS a INNER JOIN {src_0} AS b ON a.carrier = b.carrier AND a.dest = b.dest "
        "WHERE a.month <= 3",
        to="pairs",
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
