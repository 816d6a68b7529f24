"""What a user can see has its place in the pages."""

import inspect
import re
from pathlib import Path

import msgspec
import pytest

from outlast import settings
from outlast.engine.access import ALLOWED, Role, Verb
from outlast.engine.wishes import PRIORITY_MAX
from outlast.http.errors import STATUS
from outlast.operations import documents, errors, failure, ids, kind, retry
from outlast.operations.states import Event, State
from outlast.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = {page.stem: page.read_text() for page in sorted((ROOT / "docs").glob("*.md"))}
UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def section(page, heading):
    """The text of a page below one heading, up to the next of any level."""
    below = PAGES[page].split(f"# {heading}\n", 1)[1]
    return re.split(r"^#+ ", below, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text):
    """The rows of the first table in a text, as lists of cells, without its head."""
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)[0]
    lines = [line.strip().strip("|").split("|") for line in table.splitlines()]
    return [[cell.strip() for cell in line] for line in lines][2:]


def shown_size(value):
    unit, size = next((unit, size) for unit, size in UNITS if value % size == 0)
    return f"{value // size} {unit}"


WORDS = {None: "none", (): "none", True: "yes", False: "no"}
MEASURES = {
    "_bytes": shown_size,
    "_seconds": lambda value: f"{value:g} s",
    "_days": lambda value: f"{value:g} days",
}


def shown(name, value):
    """A setting's default as the operations guide writes it."""
    if value is None or isinstance(value, bool | tuple):
        return WORDS[value]
    if isinstance(value, dict):
        return WORDS[tuple(value)]
    if isinstance(value, msgspec.Struct):
        assert not any(msgspec.structs.astuple(value)), f"{name} has defaults of its own"
        return WORDS[None]
    if isinstance(value, str | Path):
        return f"`{value}`"
    for suffix, show in MEASURES.items():
        if name.endswith(suffix):
            return show(value)
    return f"{value:,}" if value >= 10_000 else str(value)


def default_of(field):
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


def all_settings():
    for field in msgspec.structs.fields(Settings):
        if isinstance(field.default, msgspec.Struct):
            for inner in msgspec.structs.fields(type(field.default)):
                yield f"{field.name}.{inner.name}", default_of(inner)
        else:
            yield field.name, default_of(field)


def documented_settings():
    found = {}
    headings = ("Settings", "Limits", "Retention", "Recovery times", "Elsewhere")
    for heading in (*headings, "Fairness and limits"):
        for name, default, *_ in rows(section("operations-guide", heading)):
            found[name.strip("`")] = default
    return found


def test_every_setting_stands_in_the_operations_guide_with_its_default():
    assert documented_settings() == {name: shown(name, value) for name, value in all_settings()}


@pytest.mark.parametrize("variable", settings.VARIABLES)
def test_every_environment_variable_stands_beside_its_setting(variable):
    name = settings.VARIABLES[variable]
    [row] = [r for r in rows(section("operations-guide", "Settings")) if r[0] == f"`{name}`"]
    assert f"`{variable}`" in " ".join(row)


def test_the_table_of_roles_and_verbs_is_the_one_in_force():
    table = re.search(r"(?:^\|.*\n)+", section("concepts", "Roles"), re.MULTILINE)[0].splitlines()
    head, _, *lines = [[c.strip().strip("`") for c in line.strip("|").split("|")] for line in table]
    assert head[1:] == [verb.value for verb in Verb]
    documented = {line[0]: dict(zip(head[1:], line[1:], strict=True)) for line in lines}
    assert documented == {
        role.value: {v.value: "yes" if v in ALLOWED[role] else "no" for v in Verb} for role in Role
    }


@pytest.mark.parametrize(
    ("heading", "names"),
    [("Verbs", Verb), ("States", State), ("Events", Event)],
)
def test_every_verb_state_and_event_has_a_row_in_the_concepts(heading, names):
    documented = [row[0].strip("`") for row in rows(section("concepts", heading))]
    assert documented == [name.value for name in names]


def codes_of_the_tree():
    classes = [one for _, one in inspect.getmembers(errors, inspect.isclass)]
    tree = [one for one in classes if issubclass(one, errors.OutlastError)]
    return sorted({one.code for one in tree} - {"error"})


@pytest.mark.parametrize("code", sorted({*codes_of_the_tree(), *STATUS}))
def test_every_error_code_stands_in_the_pages(code):
    assert any(f"`{code}`" in text for text in PAGES.values())


def failure_codes():
    """The codes that the platform itself gives a failure, as the source has them."""
    called = re.compile(r"(?:Failure\(\s*code=|platform_failure\(\s*)\"([a-z_]+)\"")
    code = "\n".join(
        path.read_text()
        for room in ("operations", "executors", "worker")
        for path in (ROOT / "src" / "outlast" / room).rglob("*.py")
    )
    return {*called.findall(code), errors.Retry().code, errors.SecretMissing.code}


def test_every_failure_code_of_the_platform_stands_in_the_concepts():
    documented = {row[0].strip("`") for row in rows(section("concepts", "Failure codes"))}
    assert documented == failure_codes()


def test_every_failure_code_of_the_platform_stands_beside_the_type():
    listed = set(re.findall(r"`([a-z_]+)`", failure.Failure.__doc__.split(":", 1)[1]))
    assert failure_codes() <= listed


FIXED = {
    "nesting of a document": f"{documents.DEPTH_MAX} levels",
    "priority": f"-{PRIORITY_MAX} to {PRIORITY_MAX}",
    "attempts": f"1 to {retry._ATTEMPTS_LIMIT:,}",
    "delay before an attempt": f"{retry.DELAY_SECONDS_LIMIT // 86_400} days",
    "id that a caller chose": ids.ALIAS_PATTERN.pattern,
    "name of a kind": kind.KIND_NAME.pattern,
}


def test_the_limits_that_no_setting_moves_stand_in_the_operations_guide():
    documented = {
        row[0]: row[1].strip("`") for row in rows(section("operations-guide", "Fixed limits"))
    }
    assert documented == FIXED


def test_every_part_of_a_kind_and_of_its_context_stands_in_the_page_on_kinds():
    page = PAGES["writing-a-kind"]
    members = [name for name in vars(kind.Context) if not name.startswith("_")]
    wanted = [*kind.Kind.__dataclass_fields__, *members]
    assert [name for name in wanted if not re.search(rf"`(?:context\.)?{name}\b", page)] == []


def test_the_glossary_is_in_order_and_has_one_entry_for_each_word():
    words = re.findall(r"^\*\*(.+?)\*\*", PAGES["glossary"], re.MULTILINE)
    assert words == sorted(set(words), key=str.lower)
    assert {"operation", "kind", "attempt", "lease", "event", "member"} <= set(words)
