"""CAST: what converts to what, and what becomes NULL, as YDB's table of casts has it.

DuckDB's own casts are more generous (' 1 ', '1.5', '1e2' and '0x10' all become integers there)
and round where YQL truncates. A source type that is not listed ends the query when it is bound.
"""

from outlast.kinds.yql.duckdb_text import FLOATS, INTEGERS, NULL, TEXT, by_type, fail

_INTEGER_TARGETS = {
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
}
_FLOAT_TARGETS = {"float": "FLOAT", "double": "DOUBLE"}
_TEXT_TARGETS = frozenset({"string", "utf8"})
_MOMENTS = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
_MOMENT_TARGETS = {
    "date": ("DATE", "[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "datetime": ("TIMESTAMP", "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
    "timestamp": (
        "TIMESTAMP",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?Z",
    ),
}

CASTS: tuple[str, ...] = (
    *("Bool", "Int8", "Int16", "Int32", "Int64", "Uint8", "Uint16", "Uint32", "Uint64"),
    *("Float", "Double", "String", "Utf8", "Date", "Datetime", "Timestamp", "Json"),
)
"""The types that CAST knows, each also as `T?` and `Optional<T>`."""


def cast(value: str, type_name: str) -> str | None:
    """DuckDB's expression for a CAST, or None for a type outside of the subset."""
    name = type_name.lower()
    if type_name not in CASTS:
        return None
    if name in _INTEGER_TARGETS:
        branches = _to_integer(value, _INTEGER_TARGETS[name])
    elif name in _FLOAT_TARGETS:
        branches = _to_float(value, _FLOAT_TARGETS[name])
    elif name in _TEXT_TARGETS:
        branches = _to_text(value)
    elif name in _MOMENT_TARGETS:
        branches = _to_moment(value, name)
    elif name == "bool":
        branches = _to_bool(value)
    else:
        branches = {("VARCHAR", "JSON"): f"TRY_CAST({value} AS JSON)", NULL: "NULL"}
    refusal = f"CAST to {type_name} is not in the subset for the type of its value"
    return f"({by_type(value, branches, refusal)})"


def _text(value: str) -> str:
    return f"TRY_CAST({value} AS VARCHAR)"


def _to_integer(value: str, target: str) -> dict[tuple[str, ...], str]:
    text = _text(value)
    plus = fail("CAST of text with a leading + to an integer")
    from_text = (
        f"CASE WHEN regexp_full_match({text}, '-?[0-9]+') THEN TRY_CAST({value} AS {target})"
        f" WHEN regexp_full_match({text}, '\\+[0-9]+') THEN {plus} END"
    )
    return {
        (*INTEGERS, "BOOLEAN"): f"TRY_CAST({value} AS {target})",
        FLOATS: f"TRY_CAST(trunc(TRY_CAST({value} AS DOUBLE)) AS {target})",
        TEXT: from_text,
        NULL: f"CAST(NULL AS {target})",
    }


def _to_float(value: str, target: str) -> dict[tuple[str, ...], str]:
    text = _text(value)
    number = "[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?"
    special = fail("CAST of text that spells inf or nan")
    from_text = (
        f"CASE WHEN regexp_full_match({text}, '{number}') THEN TRY_CAST({value} AS {target})"
        f" WHEN regexp_matches({text}, '(?i)inf|nan') THEN {special} END"
    )
    return {
        (*INTEGERS, *FLOATS, "BOOLEAN"): f"TRY_CAST({value} AS {target})",
        TEXT: from_text,
        NULL: f"CAST(NULL AS {target})",
    }


def _to_bool(value: str) -> dict[tuple[str, ...], str]:
    from_text = f"CASE lower({_text(value)}) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END"
    return {
        (*INTEGERS, "BOOLEAN"): f"TRY_CAST({value} AS BOOLEAN)",
        TEXT: from_text,
        NULL: "CAST(NULL AS BOOLEAN)",
    }


def _to_text(value: str) -> dict[tuple[str, ...], str]:
    # Floats and moments are absent: YQL writes 1.0 as "1" and a Datetime with T and Z.
    types = (*INTEGERS, "BOOLEAN", "VARCHAR", "DATE", "JSON", "UUID")
    return {types: _text(value), NULL: "CAST(NULL AS VARCHAR)"}


def _to_moment(value: str, name: str) -> dict[tuple[str, ...], str]:
    target, pattern = _MOMENT_TARGETS[name]
    text = _text(value)
    parsed = f"TRY_CAST({text} AS {target})"
    doubtful = fail("CAST of text in a form of date and time that is not the plain ISO one")
    from_text = (
        f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN"
        f" CASE WHEN {parsed} BETWEEN DATE '1970-01-01' AND TIMESTAMP '2105-12-31 23:59:59.999999'"
        f" THEN {parsed} END WHEN regexp_matches({text}, '^[0-9]+-') THEN {doubtful} END"
    )
    moment = f"TRY_CAST({value} AS TIMESTAMP)"
    converted = {
        "date": f"CAST({moment} AS DATE)",
        "datetime": f"date_trunc('second', {moment})",
        "timestamp": moment,
    }[name]
    return {
        ("DATE", *_MOMENTS): converted,
        TEXT: from_text,
        NULL: f"CAST(NULL AS {target})",
    }
