"""The handler of batch_inference, run here against the double."""

import json
from collections import Counter
from email.utils import formatdate

import pytest
from batching import KIND, backend, content, dataset, ids, request, run_file, stream
from model_double import Fault, reply_to

from outlast.operations.errors import Unavailable
from outlast.testing.running import run_kind


def test_every_row_is_answered_once_in_the_form_of_the_batch_api(tmp_path, double):
    done = run_file(tmp_path, [request(n) for n in range(50)], double.url)
    output = stream(done, "output")
    assert done.failure is None
    assert ids(output) == {f"c{n}": 1 for n in range(50)}
    assert set(double.seen.values()) == {1}
    line = next(one for one in output if one["custom_id"] == "c7")
    assert line["error"] is None
    assert line["response"]["status_code"] == 200
    assert line["response"]["request_id"] == "req-double"
    assert line["response"]["body"]["choices"][0]["message"]["content"] == reply_to("hi 7")
    assert done.result["counts"] == {"total": 50, "completed": 50, "failed": 0, "invalid": 0}
    assert done.result["usage"]["total_tokens"] > 0
    assert [write["purpose"] for write in done.writes] == ["batch_output"]


def test_progress_counts_rows_and_ends_with_all_of_them(tmp_path, double):
    done = run_file(tmp_path, [request(n) for n in range(20)], double.url)
    assert (done.progress.done, done.progress.total, done.progress.unit) == (20, 20, "rows")
    assert [report.stage for report in done.reports][:2] == ["validating", "running"]


def test_no_more_rows_are_asked_at_once_than_the_backend_allows(tmp_path, double):
    double.fault = lambda _: Fault(seconds=0.01)
    fields = {"concurrency": 3}
    run_file(tmp_path, [request(n) for n in range(20)], double.url, backend_fields=fields)
    assert double.peak == 3


def test_parameters_go_over_those_of_the_rows_and_the_backend_hears_its_own_name(tmp_path, double):
    spec = {"parameters": {"temperature": 0.5, "max_tokens": 3}, "model": "ours"}
    lines = [request(1, body={"model": "ours", "messages": [{"role": "user"}], "max_tokens": 9})]
    fields = {"models": ("ours=double",)}
    done = run_file(tmp_path, lines, double.url, spec=spec, backend_fields=fields)
    assert done.failure is None
    [asked] = double.requests
    assert asked.body == {
        "model": "double",
        "messages": [{"role": "user"}],
        "temperature": 0.5,
        "max_tokens": 3,
    }


def test_a_model_that_replaces_those_of_the_rows_is_asked_for_all(tmp_path, double):
    spec = {"model": "other", "replaces_model": True}
    done = run_file(tmp_path, [request(n) for n in range(3)], double.url, spec=spec)
    assert done.result["counts"]["completed"] == 3
    assert {asked.body["model"] for asked in double.requests} == {"other"}


def test_a_file_whose_parts_are_cut_anywhere_is_one_file(tmp_path, double):
    done = run_file(tmp_path, [request(n) for n in range(20)], double.url, parts=7)
    assert ids(stream(done, "output")) == {f"c{n}": 1 for n in range(20)}


def test_a_row_that_is_no_request_goes_to_the_error_file_with_its_line(tmp_path, double):
    lines = [request(n) for n in range(20)]
    lines[4] = "no JSON"
    lines[9] = request(3)
    done = run_file(tmp_path, lines, double.url)
    assert done.result["counts"] == {"total": 20, "completed": 18, "failed": 0, "invalid": 2}
    told = [(one["custom_id"], one["error"]["message"]) for one in stream(done, "errors")]
    assert told[0][1].startswith("Line:5 is not valid JSON")
    assert told[1] == ("c3", "Line:10 custom_id:c3 custom_id is used by an earlier row too")
    assert [write["purpose"] for write in done.writes] == ["batch_output", "batch_errors"]


@pytest.mark.parametrize("bad", [2, 3])
def test_more_than_a_tenth_of_invalid_rows_fails_the_batch_before_any_is_paid(
    tmp_path, double, bad
):
    lines = [request(n) for n in range(20 - bad)] + ["{}"] * bad
    done = run_file(tmp_path, lines, double.url)
    if bad == 2:
        assert done.result["counts"]["completed"] == 18
        return
    assert done.failure.code == "invalid_rows"
    assert done.failure.fault == "user"
    assert done.failure.message == "Invalid request rows 3 of 20 exceed the 10% limit."
    assert done.failure.details["lines"][0].startswith("Line:18 is not a request")
    assert done.failure.details["counts"] == {
        "total": 20,
        "completed": 0,
        "failed": 0,
        "invalid": 3,
    }
    assert not double.seen
    messages = content(done, "errors").splitlines()
    assert messages[0] == done.failure.message
    assert messages[1:] == done.failure.details["lines"]


def test_a_file_for_an_unknown_model_fails_row_by_row_as_the_service_does(tmp_path, double):
    lines = [request(n, custom_id=f"p{n}") for n in (1, 2, 3)]
    done = run_file(tmp_path, lines, double.url, spec={"model": None})
    assert done.failure.message == "Invalid request rows 3 of 3 exceed the 10% limit."
    assert done.failure.details["lines"][0] == (
        'Line:1 custom_id:p1 model "double" is not a known batch endpoint routing key'
    )


@pytest.mark.parametrize("content", [[], ["\x00\xff garbage" * 10], ["[" * 100_000]])
def test_a_file_of_garbage_or_of_nothing_fails_with_a_sentence(tmp_path, double, content):
    done = run_file(tmp_path, content, double.url)
    assert done.failure.code == "invalid_rows"
    assert done.failure.message.endswith(("no request rows.", "exceed the 10% limit."))


def test_a_row_that_the_backend_refuses_fails_alone_and_is_asked_once(tmp_path, double):
    double.fault = lambda asked: Fault(status=400, message="no!") if "hi 3" in asked.text else None
    done = run_file(tmp_path, [request(n) for n in range(10)], double.url)
    assert done.result["counts"] == {"total": 10, "completed": 9, "failed": 1, "invalid": 0}
    [line] = stream(done, "errors")
    assert line["custom_id"] == "c3"
    assert line["response"]["status_code"] == 400
    assert line["response"]["body"]["error"]["message"] == "no!"
    assert line["error"]["message"] == "the backend answered 400: no!"
    assert double.seen["hi 3"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=503),
        Fault(kind="reset"),
        Fault(kind="truncated"),
        Fault(kind="garbage"),
        Fault(status=429),
        Fault(status=429, retry_after="0.05"),
    ],
)
def test_what_may_pass_is_asked_again(tmp_path, double, fault):
    double.fault = lambda asked: fault if asked.attempt == 1 and asked.number % 3 == 0 else None
    done = run_file(tmp_path, [request(n) for n in range(15)], double.url)
    assert done.result["counts"]["completed"] == 15
    assert ids(stream(done, "output")) == {f"c{n}": 1 for n in range(15)}
    assert max(double.seen.values()) == 2


def test_a_pause_that_the_backend_asks_for_is_kept_by_all_rows(tmp_path, double):
    arrivals = []

    def slow_down(asked):
        arrivals.append(double._loop.time())
        return Fault(status=429, retry_after="0.3") if asked.number == 1 else None

    double.fault = slow_down
    fields = {"concurrency": 1}
    run_file(tmp_path, [request(n) for n in range(3)], double.url, backend_fields=fields)
    assert arrivals[1] - arrivals[0] >= 0.29


def test_a_pause_may_be_a_date(tmp_path, double):
    date = formatdate(2_000_000_000, usegmt=True)
    double.fault = lambda _: Fault(status=429, retry_after=date)
    done = run_file(tmp_path, [request(1)], double.url)
    assert done.failure.code == "backend_busy"
    assert done.after_seconds > 2


def test_a_row_that_is_not_answered_in_time_is_asked_again(tmp_path, double):
    double.fault = lambda asked: Fault(seconds=30) if asked.number == 2 else None
    fields = {"timeout_seconds": 2}
    done = run_file(tmp_path, [request(n) for n in range(5)], double.url, backend_fields=fields)
    assert done.result["counts"]["completed"] == 5
    assert double.seen[double.requests[1].text] >= 2


@pytest.mark.parametrize("limits", [{"requests_per_minute": 360}, {"tokens_per_minute": 3600}])
def test_a_backend_is_asked_no_faster_than_it_allows(tmp_path, double, limits):
    arrivals = []
    double.fault = lambda _: arrivals.append(double._loop.time())
    run_file(tmp_path, [request(n) for n in range(40)], double.url, backend_fields=limits)
    # Five seconds' worth begins at once; a row costs 11 tokens or more.
    assert arrivals[-1] - arrivals[0] > 0.5


def test_a_row_that_never_gets_an_answer_fails_when_others_do(tmp_path, double):
    double.fault = lambda asked: Fault(status=500) if asked.text == "hi 2" else None
    done = run_file(tmp_path, [request(n) for n in range(30)], double.url)
    assert done.result["counts"] == {"total": 30, "completed": 29, "failed": 1, "invalid": 0}
    assert stream(done, "errors")[0]["error"]["message"].startswith("the backend answered 500")


def test_a_backend_that_breaks_for_good_fails_the_attempt_and_what_is_done_stays(tmp_path, double):
    double.fault = lambda asked: Fault(status=503) if asked.number > 10 else None
    fields = {"concurrency": 2}
    lines = [request(n) for n in range(20)]
    done = run_file(tmp_path, lines, double.url, backend_fields=fields)
    assert done.failure.code == "backend_unavailable"
    assert done.failure.retryable
    assert "503" in done.failure.message
    assert sum(ids(stream(done, "output")).values()) == 10
    assert done.checkpoints[-1]["counts"] == {
        "total": 20,
        "completed": 10,
        "failed": 0,
        "invalid": 0,
    }
    partial = KIND.partial(done.checkpoints[-1])
    assert [(one.purpose, one.is_partial) for one in partial] == [("batch_output", True)]


def test_a_backend_that_is_not_there_says_so(tmp_path, double):
    done = run_file(tmp_path, [request(1)], "http://127.0.0.1:9/v1")
    assert done.failure.code == "backend_unavailable"
    assert "cannot be reached" in done.failure.message


def test_a_backend_that_refuses_the_key_says_so_without_it(tmp_path, double):
    double.key = "right"
    wrong = "wrong-key"
    double.fault = lambda _: Fault(status=401, message=f"bad key {wrong}")
    done = run_file(
        tmp_path,
        [request(1)],
        double.url,
        backend_fields={"has_key": True},
        secrets={"backend_key": wrong},
    )
    assert done.failure.code == "backend_refused"
    assert wrong not in json.dumps([done.failure.message, done.checkpoints, done.log])


def test_the_key_is_said_to_the_backend_and_to_nobody_else(tmp_path, double):
    double.key = "right-key"
    double.fault = lambda asked: (
        Fault(status=400, message="your right-key") if asked.number == 2 else None
    )
    done = run_file(
        tmp_path,
        [request(n) for n in range(3)],
        double.url,
        backend_fields={"has_key": True},
        secrets={"backend_key": "right-key"},
    )
    assert done.result["counts"]["completed"] == 2
    assert b"right-key" not in b"".join(done.files.values())
    assert b"your [key]" in b"".join(done.files.values())


def test_answers_in_many_lines_become_one_line(tmp_path, double):
    answer = json.dumps({"choices": [], "usage": None}, indent=2).encode()
    double.answer = lambda _: answer
    done = run_file(tmp_path, [request(1)], double.url)
    [line] = stream(done, "output")
    assert line["response"]["body"] == {"choices": [], "usage": None}


def test_a_batch_may_embed(tmp_path, double):
    lines = [
        json.dumps(
            {
                "custom_id": f"e{n}",
                "method": "POST",
                "url": "/v1/embeddings",
                "body": {"model": "double", "input": f"text {n}"},
            }
        )
        for n in range(4)
    ]
    done = run_file(tmp_path, lines, double.url, spec={"endpoint": "/v1/embeddings"})
    assert {len(one["response"]["body"]["data"]) for one in stream(done, "output")} == {1}
    assert {asked.path for asked in double.requests} == {"/v1/embeddings"}


def test_an_attempt_goes_on_from_the_checkpoint_of_the_one_before(tmp_path, double):
    lines = [request(n) for n in range(30)]
    double.fault = lambda asked: Fault(status=503) if asked.number > 12 else None
    first = run_file(tmp_path, lines, double.url, backend_fields={"concurrency": 3})
    paid = Counter(double.answered)
    double.fault = lambda _: None
    # The chunk may hold more than the checkpoint counts: what came after it is not there.
    files = {name: content + b'{"custom_id": "torn' for name, content in first.files.items()}
    second = run_file(
        tmp_path, lines, double.url, checkpoint=first.checkpoints[-1], attempt=2, files=files
    )
    assert second.result["counts"]["completed"] == 30
    assert ids(stream(second, "output")) == {f"c{n}": 1 for n in range(30)}
    assert all(double.answered[text] == 1 for text in paid)


def test_a_batch_whose_rows_are_all_finished_asks_nothing(tmp_path, double):
    lines = [request(n) for n in range(5)]
    first = run_file(tmp_path, lines, double.url)
    again = run_file(
        tmp_path, lines, double.url, checkpoint=first.checkpoints[-1], files=first.files
    )
    assert again.result == first.result
    assert set(double.seen.values()) == {1}


def test_an_input_that_has_changed_since_the_checkpoint_is_not_gone_on_with(tmp_path, double):
    first = run_file(tmp_path, [request(1)], double.url)
    changed = first.checkpoints[-1] | {"source": "another"}
    done = run_file(tmp_path, [request(1)], double.url, checkpoint=changed)
    assert done.failure.code == "source_changed"


def test_rows_of_a_dataset_become_requests_and_a_version(tmp_path, double):
    rows = tmp_path / "rows.jsonl"
    chats = [[{"role": "user", "content": f"q{n}"}] for n in range(4)]
    lines = [
        {"chat": chats[0], "id": 10},
        {"chat": json.dumps(chats[1]), "id": 11},
        {"chat": chats[2], "id": 12},
        *({"chat": chats[3], "id": 13 + n} for n in range(20)),
        {"chat": None, "id": 99},
    ]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = run_kind(
        KIND,
        {
            "model": "double",
            "src": {"dataset": "chats"},
            "mapping": {"messages": "chat", "custom_id": "id", "max_tokens": 5},
            "parameters": {"temperature": 0},
        },
        catalog=[backend(double.url), *dataset([("chat", "json"), ("id", "int64")])],
        inputs={"rows.jsonl": rows},
    )
    assert done.failure is None, done.failure
    assert done.result["counts"] == {"total": 24, "completed": 23, "failed": 0, "invalid": 1}
    version = next(write for write in done.writes if write["type"] == "dataset_version")
    assert version["is_temporary"]
    columns = {column["name"]: column["type"] for column in version["manifest"]["columns"]}
    assert columns["dialogue"] == "string"
    assert version["manifest"]["rows"] == 24
    assert done.result["version"] == version["version"]


@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_table_says_what_was_asked_and_answered(tmp_path, double, concurrency, monkeypatch):
    import pyarrow.parquet as pq  # noqa: PLC0415

    from outlast.kinds.batch import tables  # noqa: PLC0415

    read = []
    write_table = tables.write_table

    def keep(plan, finished, context):
        made = write_table(plan, finished, context)
        read.extend(
            row for name in made.files for row in pq.read_table(context.workdir / name).to_pylist()
        )
        return made

    monkeypatch.setattr(tables, "write_table", keep)
    double.fault = lambda asked: Fault(status=400, message="no") if "hi 4" in asked.text else None
    lines = ["", *(request(n) for n in range(12)), "broken"]
    done = run_file(
        tmp_path,
        lines,
        double.url,
        spec={"dst": {"dataset": "answers", "version_name": "v1"}, "parameters": {"top_p": 0.5}},
        backend_fields={"concurrency": concurrency},
    )
    assert done.result["dataset"] == "answers"
    rows = {row["custom_id"]: row for row in read}
    assert len(read) == 13
    assert rows["c3"]["prompt"] == "hi 3"
    assert rows["c3"]["completion"] == reply_to("hi 3")
    assert json.loads(rows["c3"]["dialogue"])[-1] == {
        "role": "assistant",
        "content": reply_to("hi 3"),
    }
    assert json.loads(rows["c3"]["parameters"]) == {"model": "double", "top_p": 0.5}
    assert json.loads(rows["c3"]["request"])["messages"][0]["content"] == "hi 3"
    assert rows["c3"]["total_tokens"] > 0
    assert (rows["c4"]["status"], rows["c4"]["completion"]) == ("failed", None)
    assert rows[None]["status"] == "invalid"
    assert Counter(row["status"] for row in read) == {"completed": 11, "failed": 1, "invalid": 1}


@pytest.mark.parametrize("lines", [[request(n) for n in range(50)], ["no request"] * 50])
def test_a_store_that_takes_nothing_ends_the_attempt_rather_than_hold_it(
    tmp_path, double, monkeypatch, lines
):
    def put(*_):
        raise Unavailable("the disk is full")

    monkeypatch.setattr("outlast.testing.running.FolderFiles.put", put)
    monkeypatch.setattr("outlast.kinds.batch.ledger.BUFFER_BYTES_MAX", 10)
    done = run_file(tmp_path, lines, double.url)
    assert "the disk is full" in done.failure.message
