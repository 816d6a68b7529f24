"""Small pieces of DuckDB SQL: quoting, and choosing an expression by the type of a column.

`typeof(x)` is a constant when DuckDB binds a query, and so may name a field for `struct_extract`.
That gives us dispatch on types that are known only there, with the result type of the branch
taken, and lets us refuse a type with a message of our own, before any row is read.
"""

from collections.abc import Mapping

INTEGERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
)
UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", '"NULL"')
FLOATS = ("FLOAT", "DOUBLE")
TEXT = ("VARCHAR",)
MOMENTS = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
NULL = ('"NULL"',)


def quote_name(name: str) -> str:
    """An identifier, always quoted."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def fail(message: str) -> str:
    """An expression that ends the query with a message when a row reaches it."""
    return f"error({quote_text('YQL subset: ' + message)})"


def unless(condition: str, refusal: str, expression: str) -> str:
    """The expression, but a query that is refused when `condition` holds of its types."""
    message = quote_text("YQL subset: " + refusal)
    key = f"CASE WHEN {condition} THEN {message} ELSE 't0' END"
    return f"struct_extract({{'t0': {expression}}}, {key})"


def by_type(witness: str, branches: Mapping[tuple[str, ...], str], refusal: str) -> str:
    """The branch for the type of `witness`; every branch must bind whatever that type is."""
    fields, whens = [], []
    for number, (types, branch) in enumerate(branches.items()):
        taken = f"typeof({witness}) IN ({', '.join(quote_text(name) for name in types)})"
        # A struct computes all of its fields: the CASE makes those not taken a constant NULL.
        fields.append(f"'t{number}': CASE WHEN {taken} THEN {branch} END")
        whens.append(f"WHEN {taken} THEN 't{number}'")
    key = f"CASE {' '.join(whens)} ELSE {quote_text('YQL subset: ' + refusal)} END"
    return f"struct_extract({{{', '.join(fields)}}}, {key})"
