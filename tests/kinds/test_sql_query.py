import asyncio
import json
import time

import pytest
from datasets_for_tests import parsed

from outlast.executors.port import Failed, Stopped
from outlast.kinds.sql.running import run_query
from outlast.operations.errors import Fatal, InvalidSpec, NotFound, ResourceExists
from outlast.resources.datasets.calls import WriteLimits

NUMBERS = b"".join(b'{"n":%d,"word":"w%d"}\n' % (n, n % 3) for n in range(1000))
SRC = [{"dataset": "numbers"}]


async def test_the_rows_of_a_query_become_a_temporary_dataset(bench):
    await bench.dataset("numbers", NUMBERS)
    result = await bench.run(
        query="SELECT word, COUNT(*) AS c, MAX(n) AS top FROM {src_0} GROUP BY word ORDER BY word",
        src=SRC,
    )
    rows = [
        {"word": "w0", "c": 334, "top": 999},
        {"word": "w1", "c": 333, "top": 997},
        {"word": "w2", "c": 333, "top": 998},
    ]
    assert result["sample_rows"] == rows
    assert result["rows"] == 3
    assert [column["name"] for column in result["columns"]] == ["word", "c", "top"]
    dataset = await bench.library.get(bench.ann, result["dataset"])
    assert dataset.is_temporary
    assert dataset.current_version == result["version"]
    found = await bench.library.rows(bench.ann, result["dataset"])
    assert json.loads(found.rows) == rows
    assert found.version.operation_id == result["dataset"]
    assert found.version.bytes == result["bytes"]


async def test_a_target_is_made_with_the_id_that_the_caller_chose(bench):
    await bench.dataset("numbers", NUMBERS)
    target = {"dataset": "mine", "version_name": "v1"}
    spec = {"query": "SELECT n FROM {src_0} WHERE n < 2", "src": SRC, "dst": target}
    result = await bench.run(**spec)
    dataset = await bench.library.get(bench.ann, "mine")
    assert (dataset.id, dataset.is_temporary) == ("mine", False)
    assert (await bench.library.version(bench.ann, "mine", "v1")).version == result["version"]
    with pytest.raises(ResourceExists):
        await bench.prepare(**spec)


async def test_a_known_target_gets_a_new_current_version(bench):
    first = await bench.dataset("numbers", NUMBERS)
    result = await bench.run(
        dialect="duckdb", query="SELECT 1 AS n FROM {src_0} LIMIT 1", src=SRC, dst=SRC[0]
    )
    versions = await bench.library.versions(bench.ann, "numbers")
    assert [v.version for v in versions] == [result["version"], first.version]


async def test_an_older_version_can_be_queried_by_its_name(bench):
    await bench.dataset("numbers", NUMBERS, version_name="old")
    await bench.run(
        dialect="duckdb", query="SELECT 1 AS n FROM {src_0} LIMIT 1", src=SRC, dst=SRC[0]
    )
    result = await bench.run(
        query="SELECT COUNT(*) AS c FROM {src_0}", src=[{"dataset": "numbers", "version": "old"}]
    )
    assert result["sample_rows"] == [{"c": 1000}]


async def test_two_sources_can_be_joined(bench):
    await bench.dataset("numbers", NUMBERS)
    await bench.dataset("words", b"word,meaning\nw0,zero\nw1,one\n", "csv")
    result = await bench.run(
        query="SELECT w.meaning AS m, COUNT(*) AS c FROM {src_0} AS a "
        "JOIN {src_1} AS w ON a.word = w.word GROUP BY w.meaning ORDER BY m",
        src=[{"dataset": "numbers"}, {"dataset": "words"}],
    )
    assert result["sample_rows"] == [{"m": "one", "c": 333}, {"m": "zero", "c": 334}]


async def test_a_spec_that_cannot_be_run_is_refused_at_once(bench):
    await bench.dataset("numbers", NUMBERS)
    with pytest.raises(InvalidSpec) as refused:
        await bench.prepare(query="SELECT *\nFROM read_csv('/etc/passwd')", src=SRC)
    assert "read_csv" in refused.value.field_errors["query"]
    assert refused.value.details["line"] == 2
    for query in ("DROP TABLE x", "SELECT 1; SELECT 2", "", "COPY {src_0} TO 'x'"):
        for dialect in ("yql", "duckdb"):
            with pytest.raises(InvalidSpec):
                await bench.prepare(dialect=dialect, query=query, src=SRC)
    with pytest.raises(NotFound, match="nobody"):
        await bench.prepare(query="SELECT 1 AS x", src=[{"dataset": "nobody"}])
    with pytest.raises(NotFound, match="v9"):
        await bench.prepare(query="SELECT 1 AS x", src=[{"dataset": "numbers", "version": "v9"}])
    for src in ([], SRC * 33):
        with pytest.raises(InvalidSpec):
            await bench.prepare(query="SELECT 1 AS x", src=src)
    for target in ({"dataset": "../x"}, {"version_name": "0" * 32}, {"dataset": "a b"}):
        with pytest.raises(InvalidSpec):
            await bench.prepare(query="SELECT n FROM {src_0}", src=SRC, dst=target)


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ("SELECT nope FROM {src_0}", "query_failed", "nope"),
        ("SELECT CAST(word AS INTEGER) AS x FROM {src_0}", "query_failed", "Could not convert"),
        ("SELECT to_days(1) AS x FROM {src_0} LIMIT 1", "unsupported_type", "column 'x'"),
        (
            "SELECT list(repeat(a.word, 2000) || b.n) AS x FROM {src_0} a, {src_0} b",
            "out_of_memory",
            "too much memory",
        ),
    ],
)
async def test_what_goes_wrong_in_a_query_is_the_callers_to_mend(bench, query, code, text):
    await bench.dataset("numbers", NUMBERS)
    outcome = await bench.outcome(dialect="duckdb", query=query, src=SRC)
    assert isinstance(outcome, Failed), outcome
    assert (outcome.failure.code, outcome.failure.fault) == (code, "user")
    assert text in outcome.failure.message
    assert "/data/" not in outcome.failure.message
    assert "parquet" not in outcome.failure.message


@pytest.mark.parametrize(
    "query",
    [
        "SELECT COUNT(*) AS c FROM {src_0} a, {src_0} b, {src_0} c, {src_0} d WHERE a.n*b.n < c.n",
        "SELECT length(repeat(word, 700000000)) AS x FROM {src_0}",
        "SELECT a.n AS a, b.n AS b FROM {src_0} a, {src_0} b, {src_0} c, {src_0} d",
    ],
    ids=["cross join", "one long call", "endless rows"],
)
async def test_a_query_stops_within_two_seconds_of_its_cancel(bench, query):
    await bench.dataset("numbers", NUMBERS)
    prepared = await bench.prepare(dialect="duckdb", query=query, src=SRC)
    running, sink, _ = await bench.start(prepared)
    await asyncio.wait_for(sink.is_running.wait(), 30)
    await asyncio.sleep(0.5)
    asked_at = time.monotonic()
    running.cancel("cancelled")
    outcome = await running.wait()
    taken = time.monotonic() - asked_at
    await running.discard()
    if "repeat" in query and isinstance(outcome, Failed):
        # On a fast machine the text has hit the limit of memory before anybody could cancel.
        assert outcome.failure.code == "out_of_memory"
    else:
        assert outcome == Stopped(reason="cancelled")
    assert taken < 2


async def test_progress_is_an_estimate_that_ends_at_all(bench):
    await bench.dataset("numbers", NUMBERS)
    prepared = await bench.prepare(
        dialect="duckdb", query="SELECT a.n FROM {src_0} a, {src_0} b ORDER BY b.word", src=SRC
    )
    running, sink, _ = await bench.start(prepared)
    await running.wait()
    await running.discard()
    done = [report.done for report in sink.reports if report.done is not None]
    assert done == sorted(done)
    assert done[-1] == 100
    assert sink.reports[-1].message == "1000000 rows written"
    assert sink.lines == []


async def test_results_that_json_or_parquet_cannot_hold_as_they_are_still_arrive(bench):
    await bench.dataset("numbers", NUMBERS)
    result = await bench.run(
        dialect="duckdb",
        query="SELECT 1 AS a, 2 AS a, sum(n) AS s, chr(0) AS z, 'nan'::DOUBLE AS f, "
        "18446744073709551615::UBIGINT AS u, 1.50::DECIMAL(5,2) AS d, NULL AS e, "
        "'x'::BLOB AS b, TIMESTAMPTZ '2026-01-01 00:00:00+01' AS t FROM {src_0}",
        src=SRC,
    )
    assert result["sample_rows"] == [
        {
            "a": 1,
            "a_2": 2,
            "s": 499500,
            "z": "\ufffd",
            "f": None,
            "u": "18446744073709551615",
            "d": "1.50",
            "e": None,
            "b": "eA==",
            "t": "2025-12-31T23:00:00Z",
        }
    ]


async def test_a_result_without_rows_has_its_columns(bench):
    await bench.dataset("numbers", NUMBERS)
    result = await bench.run(query="SELECT n FROM {src_0} WHERE n < 0", src=SRC)
    assert (result["rows"], result["sample_rows"]) == (0, [])
    assert result["columns"] == [{"name": "n", "type": "int64"}]
    again = await bench.run(
        query="SELECT COUNT(*) AS c FROM {src_0}", src=[{"dataset": result["dataset"]}]
    )
    assert again["sample_rows"] == [{"c": 0}]


class Alone:
    """A context without a worker."""

    cancelled = False

    def __init__(self, workdir):
        self.workdir = workdir

    def report(self, *numbers, **words):
        pass


@pytest.mark.parametrize(
    "limits", [WriteLimits(rows=10), WriteLimits(bytes=100)], ids=["rows", "bytes"]
)
def test_a_result_beyond_the_limits_is_refused(tmp_path, limits):
    parsed(tmp_path, NUMBERS, "jsonl")
    with pytest.raises(Fatal) as fatal:
        run_query("SELECT * FROM src_0", [["part-00000.parquet"]], Alone(tmp_path), limits)
    assert fatal.value.code == "result_too_large"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('{data}')",
        "SELECT * FROM read_blob('{data}')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '{data}'",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM read_text('../secret')",
        "ATTACH '{data}' AS other",
        "COPY (SELECT 1) TO '{data}.csv'",
        "SET memory_limit = '100GB'",
        "SET allowed_paths = ['/etc/passwd']",
        "RESET enable_external_access",
        "LOAD httpfs",
        "INSTALL httpfs",
        "CREATE SECRET (TYPE s3)",
        "EXPORT DATABASE 'out'",
    ],
)
def test_duckdb_itself_is_locked_should_the_translation_let_something_through(tmp_path, sql):
    (tmp_path / "secret").write_text("hunter2")
    workdir = tmp_path / "work"
    parsed(workdir, NUMBERS, "jsonl")
    with pytest.raises(Fatal) as fatal:
        run_query(
            sql.replace("{data}", str(tmp_path / "secret")),
            [["part-00000.parquet"]],
            Alone(workdir),
        )
    assert fatal.value.code == "query_failed"
    assert "hunter2" not in fatal.value.message
    assert "root:" not in fatal.value.message


def test_the_sample_is_bounded(tmp_path):
    parsed(tmp_path, NUMBERS, "jsonl")
    context = Alone(tmp_path)
    sources = [["part-00000.parquet"]]
    assert len(run_query("SELECT n FROM src_0", sources, context).sample) == 20
    wide = run_query("SELECT repeat(word, 10000) AS x FROM src_0", sources, context)
    assert len(wide.sample) == 3
    huge = run_query("SELECT repeat(word, 1000000) AS x FROM src_0 LIMIT 1", sources, context)
    assert huge.sample == []
    assert huge.manifest.rows == 1
