"""What a search's conditions are in SQL, over the columns of chunks. Pure."""

from typing import Any, Final, assert_never

import msgspec

from outlast.resources.vector_databases.filtering import Condition, Every, Scalar, Some, Where

_COLUMNS: Final = {"document": "document", "page": "page::VARCHAR"}
_COMPARED: Final = {"above": ">", "at_least": ">=", "below": "<", "at_most": "<="}


def condition_of(where: Where) -> tuple[str, list[Any]]:
    """The condition, and what its marks stand for."""
    match where:
        case Condition():
            return _one(where)
        case Every(of=of):
            return _joined(of, " AND ", "true")
        case Some(of=of):
            return _joined(of, " OR ", "false")
        case _:
            assert_never(where)


def _joined(of: tuple[Where, ...], word: str, empty: str) -> tuple[str, list[Any]]:
    if not of:
        return empty, []
    parts = [condition_of(one) for one in of]
    values = [value for _, inner in parts for value in inner]
    return f"({word.join(text for text, _ in parts)})", values


def _one(condition: Condition) -> tuple[str, list[Any]]:
    column, values = _column(condition.field)
    texts = [_text(value) for value in condition.values]
    match condition.operator:
        case "is" | "is_not":
            found = f"coalesce({column} IN ({', '.join('?' for _ in texts)}), false)"
            return found if condition.operator == "is" else f"NOT {found}", [*values, *texts]
        case "contains" | "contains_not":
            found = f"coalesce(contains({column}, ?), false)"
            return found if condition.operator == "contains" else f"NOT {found}", [*values, *texts]
        case "above" | "at_least" | "below" | "at_most":
            number = f"TRY_CAST({column} AS DOUBLE) {_COMPARED[condition.operator]} ?"
            return f"coalesce({number}, false)", [*values, condition.values[0]]
        case _:
            assert_never(condition.operator)


def _column(name: str) -> tuple[str, list[str]]:
    if name in _COLUMNS:
        return _COLUMNS[name], []
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    return "json_extract_string(metadata, ?)", [pointer]


def _text(value: Scalar) -> str:
    """A value as DuckDB writes it that was in JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
