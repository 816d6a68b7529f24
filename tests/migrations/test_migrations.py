import re
import stat
import subprocess
import sys

import apsw
import pytest

from outlast.operations.errors import Unavailable
from outlast.store.migrations import Migration, migrations
from outlast.store.sqlite import SqliteStore
from outlast.store.sqlite.connections import check_version, connect, create_file
from outlast.store.sqlite.migrate import FOLDER, dump_schema, migrate

FIRST = Migration(
    1, "first", "CREATE TABLE first (a TEXT) STRICT; CREATE TABLE more (a TEXT) STRICT;"
)
SECOND = Migration(2, "second", "ALTER TABLE first ADD COLUMN b TEXT;")
BROKEN = Migration(3, "broken", "CREATE TABLE third (a TEXT) STRICT; CREATE TABLE third (a TEXT);")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "outlast.db"
    create_file(path)
    return path


@pytest.fixture
def connection(path):
    connection = connect(path)
    yield connection
    connection.close()


def test_the_migrated_schema_is_the_committed_one(connection):
    migrate(connection, migrations(FOLDER), 1)
    committed = (FOLDER / "schema.sql").read_text(encoding="utf-8")
    assert dump_schema(connection) == committed, "run: python tests/migrations/dump_schema.py"


def test_every_table_is_strict_and_every_file_is_numbered_in_turn(connection):
    migrate(connection, migrations(FOLDER), 1)
    tables = re.findall(
        r"CREATE TABLE (\w+) \(.*?\n?\)([^;()]*);", dump_schema(connection), re.DOTALL
    )
    assert len(tables) > 5
    assert all("STRICT" in options for _, options in tables)
    files = sorted(path.name for path in FOLDER.glob("*.sql") if path.name != "schema.sql")
    numbers = [migration.number for migration in migrations(FOLDER)]
    # A number may be missing here: each change has one, and not every change concerns both stores.
    assert numbers == sorted(set(numbers))
    assert len(numbers) == len(files)
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.sql", name) for name in files)


def test_no_statement_of_the_schema_decides_about_states(connection):
    migrate(connection, migrations(FOLDER), 1)
    assert "case when" not in dump_schema(connection).lower()


def test_migrating_twice_is_harmless(connection):
    assert migrate(connection, [FIRST], 1) == [1]
    assert migrate(connection, [FIRST], 2) == []
    assert migrate(connection, [FIRST, SECOND], 3) == [2]
    assert migrate(connection, [FIRST, SECOND], 4) == []
    rows = connection.execute("SELECT number, applied_at FROM schema_migrations").fetchall()
    assert rows == [(1, 1), (2, 3)]


def test_a_migration_that_fails_leaves_nothing_behind(connection):
    with pytest.raises(apsw.SQLError):
        migrate(connection, [FIRST, SECOND, BROKEN], 1)
    assert dump_schema(connection) == ""
    assert migrate(connection, [FIRST], 1) == [1]


def test_a_newer_schema_is_served_and_said(connection, caplog):
    migrate(connection, [FIRST, SECOND], 1)
    assert migrate(connection, [FIRST], 2) == []
    assert "schema 2, which is newer than this program" in caplog.text


def test_a_migration_that_was_edited_afterwards_is_refused(connection):
    migrate(connection, [FIRST], 1)
    edited = Migration(1, "first", FIRST.sql + " ")
    with pytest.raises(Unavailable, match="not the one that was applied"):
        migrate(connection, [edited], 2)


async def test_a_store_refuses_a_schema_of_other_files_and_leaves_nothing_open(path, connection):
    first, *others = migrations(FOLDER)
    edited = Migration(first.number, first.name, first.sql + " ")
    migrate(connection, [edited, *others], 1)
    with pytest.raises(Unavailable, match="not the one that was applied"):
        await SqliteStore(path).open()


def test_an_unsafe_sqlite_is_refused():
    check_version("3.51.3")
    check_version(apsw.sqlite_lib_version())
    for version in ("3.51.2", "3.40.1"):
        with pytest.raises(Unavailable, match=re.escape(version)):
            check_version(version)


async def test_the_files_are_readable_by_their_owner_alone(path):
    store = SqliteStore(path)
    await store.open()
    for each in path.parent.glob("outlast.db*"):
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
    assert stat.S_IMODE((path.parent / "run").stat().st_mode) == 0o700
    await store.close()


CHILD = """
import sys
from pathlib import Path
from outlast.store.sqlite.connections import connect, create_file
from outlast.store.migrations import migrations
from outlast.store.sqlite.migrate import FOLDER, migrate
print("ready", flush=True)
sys.stdin.readline()
create_file(Path(sys.argv[1]))
connection = connect(Path(sys.argv[1]))
print(migrate(connection, migrations(FOLDER), 1))
"""


def test_twenty_processes_can_migrate_at_once(tmp_path):
    command = [sys.executable, "-W", "error", "-c", CHILD, tmp_path / "outlast.db"]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(20)
    ]
    assert [child.stdout.readline() for child in children] == ["ready\n"] * 20
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    applied = [child.communicate(timeout=60)[0].strip() for child in children]
    assert [child.returncode for child in children] == [0] * 20
    every = str([migration.number for migration in migrations(FOLDER)])
    assert sorted(applied) == sorted([every, *["[]"] * 19])
