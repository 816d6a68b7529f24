"""ARCHITECTURE.md draws the map that the import contracts enforce."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text()
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]


def drawn_layers():
    """The first column of the map, top to bottom."""
    block = re.search(r"^```\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[1]
    rows = [re.split(r" {2,}", line, maxsplit=1)[0] for line in block.splitlines()]
    return [row for row in rows if row]


def test_the_map_has_the_layers_of_the_import_contract():
    [layers] = [one["layers"] for one in CONTRACTS if one["type"] == "layers"]
    assert drawn_layers() == [*layers, "testing"]


def test_every_contract_is_named():
    assert [one["name"] for one in CONTRACTS if one["name"] not in PAGE] == []


def test_every_room_of_the_source_is_on_the_map():
    source = ROOT / "src" / "outlast"
    rooms = {
        path.stem
        for path in source.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists())
        and not path.stem.startswith("__")
    }
    drawn = {name for row in drawn_layers() for name in row.split(" | ")}
    assert rooms - drawn == set()


def test_the_page_is_one_screen():
    assert len(PAGE.splitlines()) <= 100
