"""The aggregate and window functions of the subset, as a table like that of the functions."""

from collections.abc import Callable
from dataclasses import dataclass

from outlast.kinds.yql.building import Unfit
from outlast.kinds.yql.duckdb_text import FLOATS, SIGNED, UNSIGNED, by_type

_NUMBERS: tuple[str, ...] = (*SIGNED, *UNSIGNED, *FLOATS)


@dataclass(frozen=True, slots=True)
class Call:
    """A call to render: `over` is empty, or ` OVER (...)` where it is a window function."""

    arguments: list[str]
    over: str = ""
    distinct: str = ""
    nulls: str = ""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate or window function: its arguments, what DuckDB computes, what it means."""

    name: str
    arguments_min: int
    arguments_max: int
    build: Callable[[Call], str]
    summary: str
    window_only: bool = False
    distinct: bool = False
    nulls: bool = False


def _plain(function: str) -> Callable[[Call], str]:
    def build(call: Call) -> str:
        arguments = ", ".join(call.arguments)
        return f"{function}({call.distinct}{arguments}{call.nulls}){call.over}"

    return build


def _sum(call: Call) -> str:
    (value,) = call.arguments
    total = f"sum({call.distinct}{value}){call.over}"
    # DuckDB sums integers as HUGEINT, which Parquet would store as a float.
    branches = {
        SIGNED: f"CAST({total} AS BIGINT)",
        UNSIGNED: f"CAST({total} AS UBIGINT)",
        FLOATS: total,
    }
    return by_type(_witness(call), branches, "SUM takes integers, Float or Double")


def _average(call: Call) -> str:
    (value,) = call.arguments
    mean = f"avg({call.distinct}TRY_CAST({value} AS DOUBLE)){call.over}"
    branches = {_NUMBERS: mean}
    return by_type(_witness(call), branches, "AVG takes integers, Float or Double")


def _witness(call: Call) -> str:
    # min() keeps the type of a column, and may stand where the bare column may not.
    return f"min({call.arguments[0]}){call.over}"


def _count(call: Call) -> str:
    return f"count({call.distinct}{', '.join(call.arguments) or '*'}){call.over}"


def _count_if(call: Call) -> str:
    # DuckDB's count_if() is NULL where no row has a value; YQL counts 0.
    return f"count(CASE WHEN {call.arguments[0]} THEN 1 END){call.over}"


def _where(build: Callable[[Call], str]) -> Callable[[Call], str]:
    def chosen(call: Call) -> str:
        value, condition = call.arguments
        return build(Call([f"CASE WHEN {condition} THEN {value} END"], call.over))

    return chosen


def _list(call: Call) -> str:
    value, *limit = call.arguments
    values = f"list({call.distinct}{value}) FILTER (WHERE {value} IS NOT NULL){call.over}"
    most = _whole(limit[0]) if limit else 0
    return f"COALESCE({values}, [])" if not most else f"COALESCE({values}, [])[:{most}]"


def _distinct_list(call: Call) -> str:
    return _list(Call(call.arguments, call.over, "DISTINCT "))


def _extremes(function: str) -> Callable[[Call], str]:
    def build(call: Call) -> str:
        value, count = call.arguments
        if not _whole(count):
            raise Unfit("takes a number of items above 0")
        return f"{function}({value}, {count}){call.over}"

    return build


def _whole(text: str) -> int:
    if not text.isdigit():
        raise Unfit("takes a plain integer as its last argument")
    return int(text)


def _logical(decisive: str, otherwise: str) -> Callable[[Call], str]:
    def build(call: Call) -> str:
        # NULL is not skipped: it wins over all values but the decisive one.
        (value,) = call.arguments
        decided = f"count(CASE WHEN {value} IS {decisive} THEN 1 END){call.over} > 0"
        unknown = f"count({value}){call.over} < count(*){call.over} OR count(*){call.over} = 0"
        return f"CASE WHEN {decided} THEN {decisive} WHEN {unknown} THEN NULL ELSE {otherwise} END"

    return build


def _parity(call: Call) -> str:
    (value,) = call.arguments
    unknown = f"count({value}){call.over} < count(*){call.over} OR count(*){call.over} = 0"
    odd = f"count(CASE WHEN {value} THEN 1 END){call.over} % 2 = 1"
    return f"CASE WHEN {unknown} THEN NULL ELSE {odd} END"


def _spread(function: str, *, sample: bool) -> Callable[[Call], str]:
    def build(call: Call) -> str:
        (value,) = call.arguments
        spread = f"{function}(TRY_CAST({value} AS DOUBLE)){call.over}"
        if sample:
            # YQL divides by count - 1 as Double: one value gives 0/0, which is NaN and not NULL.
            single = f"count({value}){call.over} = 1"
            spread = f"CASE WHEN {single} THEN CAST('nan' AS DOUBLE) ELSE {spread} END"
        branches = {_NUMBERS: spread}
        return by_type(_witness(call), branches, "STDDEV and VARIANCE take numbers, no Decimal")

    return build


_AGGREGATES = (
    Aggregate("COUNT", 0, 1, _count, "rows, or values that are not NULL", distinct=True),
    Aggregate("COUNT_IF", 1, 1, _count_if, "rows where the condition is true"),
    Aggregate("SUM", 1, 1, _sum, "sum; integers become 64 bits wide", distinct=True),
    Aggregate("SUM_IF", 2, 2, _where(_sum), "sum over the rows where true"),
    Aggregate("AVG", 1, 1, _average, "mean as Double", distinct=True),
    Aggregate("AVG_IF", 2, 2, _where(_average), "mean over the rows where true"),
    Aggregate("MIN", 1, 1, _plain("min"), "least value"),
    Aggregate("MAX", 1, 1, _plain("max"), "greatest value"),
    Aggregate("SOME", 1, 1, _plain("any_value"), "the value of some row"),
    Aggregate("MAX_BY", 2, 2, _plain("arg_max_null"), "x of the row where y is greatest"),
    Aggregate("MIN_BY", 2, 2, _plain("arg_min_null"), "x of the row where y is least"),
    Aggregate(
        "AGGREGATE_LIST", 1, 2, _list, "values not NULL, at most n, in no order", distinct=True
    ),
    Aggregate("AGG_LIST", 1, 2, _list, "same as AGGREGATE_LIST", distinct=True),
    Aggregate("AGGREGATE_LIST_DISTINCT", 1, 2, _distinct_list, "its different values"),
    Aggregate("AGG_LIST_DISTINCT", 1, 2, _distinct_list, "same"),
    Aggregate("TOP", 2, 2, _extremes("max"), "the n greatest values"),
    Aggregate("BOTTOM", 2, 2, _extremes("min"), "the n least values"),
    Aggregate("BOOL_AND", 1, 1, _logical("FALSE", "TRUE"), "all true; NULL is not skipped"),
    Aggregate("BOOL_OR", 1, 1, _logical("TRUE", "FALSE"), "any true; NULL is not skipped"),
    Aggregate("BOOL_XOR", 1, 1, _parity, "an odd number true; NULL is not skipped"),
    Aggregate("BIT_AND", 1, 1, _plain("bit_and"), "bits that all integers have"),
    Aggregate("BIT_OR", 1, 1, _plain("bit_or"), "bits that any integer has"),
    Aggregate("BIT_XOR", 1, 1, _plain("bit_xor"), "bits that an odd number of integers have"),
)
_SPREADS = tuple(
    Aggregate(name, 1, 1, _spread(function, sample=sample), summary)
    for names, function, sample, summary in (
        (("STDDEV", "STDDEV_SAMPLE", "STDDEVSAMP"), "stddev_samp", True, "sample deviation"),
        (("STDDEV_POPULATION", "STDDEVPOP"), "stddev_pop", False, "population deviation"),
        (("VARIANCE", "VARIANCE_SAMPLE", "VARSAMP"), "var_samp", True, "sample variance"),
        (("VARIANCE_POPULATION", "VARPOP"), "var_pop", False, "population variance"),
    )
    for name in names
)
_WINDOW_FUNCTIONS = tuple(
    Aggregate(name, least, most, _plain(name.lower()), summary, window_only=True, nulls=nulls)
    for name, least, most, summary, nulls in (
        ("ROW_NUMBER", 0, 0, "number of the row in its partition", False),
        ("RANK", 0, 0, "rank by the window's order, with gaps", False),
        ("DENSE_RANK", 0, 0, "rank by the window's order, without gaps", False),
        ("PERCENT_RANK", 0, 0, "relative rank, from 0 to 1", False),
        ("CUME_DIST", 0, 0, "relative position, up to 1", False),
        ("NTILE", 1, 1, "number of one of n even groups", False),
        ("LAG", 1, 2, "value of the row n before", False),
        ("LEAD", 1, 2, "value of the row n after", False),
        ("FIRST_VALUE", 1, 1, "value of the first row of the frame", True),
        ("LAST_VALUE", 1, 1, "value of the last row of the frame", True),
        ("NTH_VALUE", 2, 2, "value of the nth row of the frame", True),
    )
)

AGGREGATES: dict[str, Aggregate] = {
    aggregate.name.lower().replace("_", ""): aggregate
    for aggregate in (*_AGGREGATES, *_SPREADS, *_WINDOW_FUNCTIONS)
}
"""The aggregate and window functions of the subset by their key."""
