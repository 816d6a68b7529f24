"""The first pass over a batch: every row is looked at before the first one is paid for."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from outlast.kinds.batch.lines import Lines, Offsets
from outlast.kinds.batch.requests import BadRow, RowReader
from outlast.operations.errors import Fatal

ROWS_MAX: Final = 5_000_000
INVALID_SHARE_MAX: Final = 0.1
PROBLEMS_MAX: Final = 100
TWICE: Final = "custom_id is used by an earlier row too"
_BATCH_ROWS: Final = 1000


class Problem(msgspec.Struct, frozen=True):
    """Why a row cannot be asked."""

    line: int
    custom_id: str | None
    reason: str

    @property
    def text(self) -> str:
        """The problem in one line."""
        named = "" if self.custom_id is None else f" custom_id:{self.custom_id}"
        return f"Line:{self.line}{named} {self.reason}"


class LineSet:
    """Some line numbers, in one bit for each line."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> None:
        """Put a number in."""
        byte, bit = divmod(number, 8)
        if byte >= len(self._bits):
            self._bits.extend(bytes(byte + 1 - len(self._bits)))
        self._bits[byte] |= 1 << bit

    def __contains__(self, number: int) -> bool:
        byte, bit = divmod(number, 8)
        return byte < len(self._bits) and bool(self._bits[byte] >> bit & 1)


class Checked(msgspec.Struct):
    """What the first pass found. `problems` are the first few of them; `bad` tells all lines."""

    total: int
    invalid: int
    problems: Sequence[Problem]
    bad: LineSet

    @property
    def verdict(self) -> str | None:
        """Why nothing at all is asked: there is nothing, or too much of it is invalid."""
        if not self.total:
            return "The input has no request rows."
        if self.invalid > self.total * INVALID_SHARE_MAX:
            return f"Invalid request rows {self.invalid} of {self.total} exceed the 10% limit."
        return None

    @property
    def told(self) -> Mapping[str, Any]:
        """The problems as a failure's details tell them: for people, and for programs."""
        return {
            "lines": [problem.text for problem in self.problems],
            "rows": [msgspec.to_builtins(problem) for problem in self.problems],
        }


class Check:
    """One first pass. `offsets`, if given, learns where each line begins."""

    def __init__(
        self, lines: Lines, reader: RowReader, workdir: Path, offsets: Offsets | None = None
    ) -> None:
        self._lines = lines
        self._reader = reader
        self._seen_path = workdir / "custom-ids.db"
        self._offsets = offsets
        self._total = self._invalid = 0
        self._problems: list[Problem] = []
        self._bad = LineSet()
        self._waiting: list[tuple[str, int]] = []

    def run(self, report: Callable[[int], bool]) -> Checked:
        """Look at every row. `report` is told how many there were, and may say False to stop.

        Which names were seen is kept on the disk: memory does not grow with the rows. Raises Fatal
        for more rows than a batch may have.
        """
        self._seen_path.unlink(missing_ok=True)
        with closing(sqlite3.connect(self._seen_path, isolation_level=None)) as seen:
            seen.execute("PRAGMA journal_mode = OFF")
            seen.execute("PRAGMA synchronous = OFF")
            seen.execute(
                "CREATE TABLE seen (custom_id TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID"
            )
            seen.execute("BEGIN")
            for number, offset, line in self._lines:
                if self._offsets is not None:
                    self._offsets.add(number, offset)
                self._look(number, line)
                if len(self._waiting) >= _BATCH_ROWS:
                    self._find_repeated(seen)
                    if not report(self._total):
                        break
            self._find_repeated(seen)
        self._seen_path.unlink()
        self._problems.sort(key=lambda problem: problem.line)
        return Checked(
            total=self._total, invalid=self._invalid, problems=self._problems, bad=self._bad
        )

    def _look(self, number: int, line: bytes) -> None:
        self._total += 1
        if self._total > ROWS_MAX:
            raise Fatal("too_many_rows", f"a batch has at most {ROWS_MAX} request rows")
        try:
            row = self._reader.read(line, number)
        except BadRow as bad:
            self._note(Problem(number, bad.custom_id, bad.reason))
            return
        self._waiting.append((row.custom_id, number))

    def _find_repeated(self, seen: sqlite3.Connection) -> None:
        waiting, self._waiting = self._waiting, []
        insert = "INSERT OR IGNORE INTO seen VALUES (?, ?)"
        before = seen.total_changes
        seen.executemany(insert, waiting)
        if seen.total_changes - before == len(waiting):
            return
        for custom_id, number in waiting:
            [(first,)] = seen.execute("SELECT line FROM seen WHERE custom_id = ?", (custom_id,))
            if first != number:
                self._note(Problem(number, custom_id, TWICE))

    def _note(self, problem: Problem) -> None:
        self._invalid += 1
        self._bad.add(problem.line)
        if len(self._problems) < PROBLEMS_MAX:
            self._problems.append(problem)
