"""The tables of docs/yql.md are made from the tables of the translator, and from its refusals.

OUTLAST_REWRITE_DOCS=1 writes them anew.
"""

import os
import re
from pathlib import Path

import pytest
from yql_refusals import REFUSALS

from outlast.kinds.yql import QueryRefused, translate
from outlast.kinds.yql.aggregates import AGGREGATES
from outlast.kinds.yql.calls import HIGHER_ORDER, TYPED_LITERALS
from outlast.kinds.yql.casts import CASTS
from outlast.kinds.yql.functions import FUNCTIONS

PAGE = Path(__file__).parents[2] / "docs" / "yql.md"
BETWEEN_MARKERS = re.compile(r"(?<=<!-- tables -->\n).*?(?=<!-- end of tables -->)", re.DOTALL)


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell(text) for text in line) + " |" for line in lines)


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def arguments(entry):
    least, most = entry.arguments_min, entry.arguments_max
    return str(least) if least == most else f"{least} to {most}"


def described(entries):
    rows = [[f"`{entry.name}`", arguments(entry), entry.summary] for entry in entries]
    return table(["name", "arguments", "meaning"], rows)


def refused():
    for refusal in REFUSALS:
        with pytest.raises(QueryRefused) as caught:
            translate(refusal.query, 2)
        yield [refusal.says, caught.value.message.removeprefix("YQL subset: ")]


def draw_tables():
    plain = [function for function in FUNCTIONS.values() if "::" not in function.name]
    modules = [function for function in FUNCTIONS.values() if "::" in function.name]
    grouping = [entry for entry in AGGREGATES.values() if not entry.window_only]
    windows = [entry for entry in AGGREGATES.values() if entry.window_only]
    parts = [
        "## Built-in functions\n\nCase and underscores do not matter in their names.",
        described(plain),
        table(["with a lambda", "meaning"], [[f"`{k}`", v] for k, v in HIGHER_ORDER.items()]),
        "## Functions of modules",
        described(modules),
        "## Aggregate functions\n\nEach may be a window function too.",
        described(grouping),
        "## Window functions",
        described(windows),
        "## Types\n\n`CAST` knows " + ", ".join(f"`{name}`" for name in CASTS) + ", each also as"
        " `T?` and `Optional<T>`.",
        table(["literal", "meaning"], [[f"`{k}`", v] for k, v in TYPED_LITERALS.items()]),
        "## What is refused\n\nAnd anything else that has no place above.",
        table(["what", "the answer"], refused()),
    ]
    return "\n" + "\n\n".join(parts) + "\n\n"


def test_the_tables_in_the_docs_are_those_of_the_translator():
    text = PAGE.read_text()
    if os.environ.get("OUTLAST_REWRITE_DOCS"):
        PAGE.write_text(BETWEEN_MARKERS.sub(lambda _: draw_tables(), text))
        text = PAGE.read_text()
    [tables] = BETWEEN_MARKERS.findall(text)
    assert tables == draw_tables()
