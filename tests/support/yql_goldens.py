"""What a golden case of YQL is, and how it is held."""

import math
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Golden:
    """A statement, the rows it has, and the rule of the documentation that says so."""

    says: str
    query: str
    rows: list[tuple[Any, ...]]
    rule: str


def parameters(goldens):
    """The cases as parameters of a test, each by its sentence."""
    return [pytest.param(case, id=case.says) for case in goldens]


def check_golden(rows, golden):
    """Hold rows against a golden: NaN is NaN, and NULL only NULL."""
    assert [len(row) for row in rows] == [len(row) for row in golden.rows], golden.rule
    pairs = zip(rows, golden.rows, strict=True)
    same = (_is_same(*pair) for row in pairs for pair in zip(*row, strict=True))
    assert all(same), (rows, golden.rule)


def _is_same(value, wanted):
    if isinstance(wanted, float) and math.isnan(wanted):
        return isinstance(value, float) and math.isnan(value)
    return value == wanted and (value is None) == (wanted is None)
