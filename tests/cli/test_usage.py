"""What is refused before any server is asked, and what is said about it."""

import subprocess
import sys

import pytest

from outlast.cli.session import find_token


def imported_by(*arguments):
    """The modules that a command imports, up to its end."""
    code = (
        "import sys\n"
        "from outlast.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit:\n    pass\n"
        "print('MODULES', *sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("MODULES ")[2].split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["get", "x", "--url", "http://127.0.0.1:1"], ["serve", "--help"]]
)
def test_a_command_imports_no_engine_and_no_server_that_it_does_not_need(arguments):
    heavy = {"duckdb", "pyarrow", "starlette", "uvicorn", "apsw", "sqlglot", "outlast.app"}
    assert not imported_by(*arguments) & heavy


def test_python_m_outlast_is_outlast():
    done = subprocess.run(
        [sys.executable, "-m", "outlast", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("outlast 0.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command"),
        (["submit", "count"], "Missing argument"),
        (["submit", "count", "{"], "not JSON"),
        (["submit", "count", "@nowhere.json"], "No such file"),
        (["submit", "count", "{}", "--label", "x"], "KEY=VALUE"),
        (["submit", "count", "{}", "--resource", "x"], "TYPE/ID"),
        (["submit", "count", "{}", "--priority", "101"], "range"),
        (["submit", "count", "{}", "--at", "tomorrow"], "+15m"),
        (["submit", "count", "{}", "--timeout", "5"], "--wait"),
        (["submit", "count", "{}", "--wait", "--watch"], "choose one"),
        (["wait", "x", "--timeout", "soon"], "15m"),
        (["cancel"], "--filter"),
        (["cancel", "x", "--filter", "state=pending"], "--filter"),
        (["cancel", "x", "--dry-run"], "--dry-run"),
        (["cancel", "--filter", "colour=red"], "known are"),
        (["list", "--state", "lost"], "lost"),
        (["datasets", "upload", "d", "nowhere.csv"], "nowhere.csv"),
        (["datasets", "export", "d", "--json"], "--output"),
        (["get", "x", "--url", "ftp://x"], "not an http"),
        (["get", "x", "--token-file", "nowhere"], "nowhere"),
        (["serve", "--database", "postgresql://u:p@h/d"], "process list"),
        (["serve", "--database", "sqlite:///x"], "postgresql://"),
        (["serve", "--database", "postgresql://h/d"], "shared object store"),
        (["worker", "--database", "postgresql://u:p@h/d"], "process list"),
        (["worker"], "has its own"),
        (["worker", "--database", "postgresql://h/d", "--workers", "0"], "at least one slot"),
        (["serve", "--port", "70000"], "port must be"),
        (["serve", "--workers", "-1"], "workers must be"),
        (["tenant", "create", "team"], "there is no data folder"),
    ],
)
def test_what_cannot_be_meant_leaves_with_2_and_says_why(bare, arguments, said):
    ended = bare(*arguments)
    assert ended.code == 2
    assert said in ended.errors
    assert "Traceback" not in ended.errors
    assert ended.output == ""


def test_the_database_of_the_environment_counts_too(bare, monkeypatch):
    monkeypatch.setenv("OUTLAST_DATABASE", "postgresql://h/d")
    assert "shared object store" in bare("serve").errors


def test_without_a_server_it_leaves_with_5_and_says_what_to_do(bare):
    ended = bare("get", "x")
    assert ended.code == 5
    assert "no server answers" in ended.errors
    assert "outlast serve" in ended.errors


def test_the_token_of_this_machine_is_not_sent_elsewhere(tmp_path):
    (tmp_path / "admin-token").write_text("olt_a_b\n")
    here = {"OUTLAST_DATA": str(tmp_path)}
    assert find_token("http://127.0.0.1:8470", None, here) == "olt_a_b"
    assert find_token("http://localhost", None, here) == "olt_a_b"
    assert find_token("http://[::1]:8470", None, here) == "olt_a_b"
    for url in ("https://outlast.example", "http://10.0.0.1", "http://localhost.example"):
        assert find_token(url, None, here) is None


def test_a_token_that_was_named_wins(tmp_path):
    (tmp_path / "admin-token").write_text("olt_a_b")
    file = tmp_path / "mine"
    file.write_text("olt_c_d\n")
    both = {"OUTLAST_DATA": str(tmp_path), "OUTLAST_TOKEN": "olt_e_f"}
    assert find_token("http://127.0.0.1", None, both) == "olt_e_f"
    assert find_token("http://127.0.0.1", file, both) == "olt_c_d"
