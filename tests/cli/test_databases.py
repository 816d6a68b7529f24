import json

import duckdb


def test_a_database_is_made_shown_saved_and_removed(run, tmp_path):
    made = run("database", "provision", "shop", "--data-source", "main", "--watch")
    assert made.code == 0, made.errors
    assert "shop" in run("database", "list").output
    [one] = [
        one
        for one in json.loads(run("database", "list", "--json").output)["databases"]
        if one["name"] == "shop"
    ]
    shown = run("database", "get", "shop").output
    assert one["id"] in shown
    assert "data sources  main" in shown
    assert json.loads(run("database", "get", one["id"], "--json").output) == one
    assert run("database", "download", "shop").code == 0
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    again = run("database", "download", "shop")
    assert (again.code, "exists" in again.errors) == (2, True)
    assert run("database", "attach", "shop", "eu", "--name", "Europe").output == (
        "eu is attached.\n"
    )
    detached = run("database", "detach", "shop", "eu", "--json")
    assert json.loads(detached.output) == {"detached": ["eu"]}
    assert "download it" in run("database", "credentials", "shop").errors
    taken = run("database", "provision", "shop")
    assert (taken.code, "exists already" in taken.errors) == (2, True)
    assert run("database", "deprovision", "shop", "--watch").code == 0
    assert "no database 'shop'" in run("database", "get", "shop").errors


def test_services_are_listed_asked_and_told_what_to_do(run):
    assert "analyze compact describe" in run("service", "list").output
    assert "are_all_counted" in run("service", "status", "databases").output
    told = json.loads(run("service", "status", "datasets", "--json").output)["status"]
    assert told["datasets"] >= 0
    ended = run("service", "run", "datasets", "collect", "--watch")
    assert ended.code == 0, ended.errors
    wrong = run("service", "run", "datasets", "collect", "[1]")
    assert (wrong.code, "JSON object" in wrong.errors) == (2, True)
    unknown = run("service", "run", "datasets", "nothing")
    assert "it has collect, verify" in unknown.errors
