"""How a query is refused: which construct, where it stands, and what to do instead."""


class QueryRefused(ValueError):
    """A query outside of the subset; `str()` is the message, `line` and `column` count from 1."""

    def __init__(
        self, construct: str, message: str, *, line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message)
        self.construct = construct
        self.message = message
        self.line = line
        self.column = column


def refuse(
    dialect: str, construct: str, advice: str, *, text: str = "", offset: int | None = None
) -> QueryRefused:
    """The refusal of `construct` at `offset` of `text`, as one sentence with its place."""
    if offset is None:
        return QueryRefused(construct, f"{dialect}: {construct} {advice}.")
    line, column = place(text, offset)
    message = f"{dialect}: {construct} {advice} (line {line}, column {column})."
    return QueryRefused(construct, message, line=line, column=column)


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both counted from 1."""
    before = text[: max(offset, 0)]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
