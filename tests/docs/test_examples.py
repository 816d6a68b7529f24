"""The Python in the pages that show Python is run, block after block, page by page.

A block whose fence says `no-run` beside `python` needs a server, and is only compiled.
"""

import re
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python(?P<mark>[^\n]*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page):
    """(first line, mark, code) of each Python block of a page."""
    text = (ROOT / page).read_text()
    return [
        (text.count("\n", 0, match.start("code")) + 1, match["mark"].strip(), match["code"])
        for match in BLOCK.finditer(text)
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/writing-a-kind.md"])
def test_the_python_of_a_page_runs(page, monkeypatch, tmp_path):
    assert blocks(page)
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    for line, mark, code in blocks(page):
        # So that a traceback names the page and the line.
        compiled = compile("\n" * (line - 1) + code, str(ROOT / page), "exec")
        if mark != "no-run":
            exec(compiled, vars(module))


@pytest.mark.parametrize(
    "page", sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("**/*.md"))
)
def test_the_python_of_every_page_compiles(page):
    for line, mark, code in blocks(page):
        assert mark in {"", "no-run"}
        compile("\n" * (line - 1) + code, str(ROOT / page), "exec")


def test_a_kind_takes_less_than_twenty_lines():
    for page in ("README.md", "docs/writing-a-kind.md"):
        code = blocks(page)[0][2]
        assert "kinds = [Kind(" in code
        assert len(code.splitlines()) < 20
