"""What a search's conditions are in SQL, over the columns of chunks. Pure.

The values are not in the text: they are columns of a table with one row, which the text calls by
`asked.` and a name. As parameters, each would have DuckDB look for pandas, which a locked child
pays for with a megabyte that is never given back.
"""

from typing import Final, assert_never

import msgspec

from outlast.resources.vector_databases.filtering import Condition, Every, Scalar, Some, Where

_COLUMNS: Final = {"document": "document", "page": "page::VARCHAR"}
_COMPARED: Final = {"above": ">", "at_least": ">=", "below": "<", "at_most": "<="}


class Asked:
    """The values of a query, by the names of their columns."""

    def __init__(self) -> None:
        self.values: dict[str, str | float] = {}

    def name(self, value: str | float) -> str:
        """What the query calls a value."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"asked.{name}"


def condition_of(where: Where, asked: Asked) -> str:
    """The condition; what it compares with is added to what is asked."""
    match where:
        case Condition():
            return _one(where, asked)
        case Every(of=of):
            return _joined([condition_of(one, asked) for one in of], " AND ", "true")
        case Some(of=of):
            return _joined([condition_of(one, asked) for one in of], " OR ", "false")
        case _:
            assert_never(where)


def _joined(parts: list[str], word: str, empty: str) -> str:
    return f"({word.join(parts)})" if parts else empty


def _one(condition: Condition, asked: Asked) -> str:
    column = _column(condition.field, asked)
    match condition.operator:
        case "is" | "is_not":
            names = ", ".join(asked.name(_text(value)) for value in condition.values)
            found = f"coalesce({column} IN ({names}), false)"
            return found if condition.operator == "is" else f"NOT {found}"
        case "contains" | "contains_not":
            name = asked.name(_text(condition.values[0]))
            found = f"coalesce(contains({column}, {name}), false)"
            return found if condition.operator == "contains" else f"NOT {found}"
        case "above" | "at_least" | "below" | "at_most":
            name = asked.name(float(condition.values[0]))
            number = f"TRY_CAST({column} AS DOUBLE) {_COMPARED[condition.operator]} {name}"
            return f"coalesce({number}, false)"
        case _:
            assert_never(condition.operator)


def _column(field: str, asked: Asked) -> str:
    if field in _COLUMNS:
        return _COLUMNS[field]
    name = asked.name("/" + field.replace("~", "~0").replace("/", "~1"))
    return f"json_extract_string(metadata, {name})"


def _text(value: Scalar) -> str:
    """A value as DuckDB writes it that was in JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
