"""What is finished, and how it becomes durable."""

import asyncio

import msgspec
import pytest

from outlast.kinds.batch import ledger as module
from outlast.kinds.batch.ledger import AHEAD_ROWS_MAX, Ledger
from outlast.kinds.batch.record import Checkpoint, chunk_names, published_files
from outlast.operations.errors import Fatal


class Files:
    def __init__(self):
        self.stored = {}

    def put(self, name, path):
        self.stored[name] = path.read_bytes()

    def get(self, name, path):
        if name in self.stored:
            path.write_bytes(self.stored[name])
        return name in self.stored


class Context:
    """A handler's Context, as far as a ledger needs one."""

    def __init__(self, workdir, files=None, last_checkpoint=None, attempt=1):
        self.attempt = attempt
        self.operation_id = "06EV00000000000000R0"
        self.workdir = workdir
        workdir.mkdir()
        self.files = files or Files()
        self.last_checkpoint = last_checkpoint
        self.saved = []

    async def checkpoint(self, document):
        self.saved.append(msgspec.json.decode(msgspec.json.encode(document)))


async def opened(tmp_path, name="first", **options):
    context = Context(tmp_path / name, **options)
    ledger = Ledger(context, source="in")
    await ledger.open()
    return ledger, context


async def test_what_a_checkpoint_counts_is_in_the_files(tmp_path):
    ledger, context = await opened(tmp_path)
    for number in (1, 2, 4):
        ledger.finish(number, "completed", b"line %d" % number)
    ledger.finish(5, "failed", b"bad 5")
    await ledger.flush()
    [saved] = context.saved
    assert saved["counts"] == {"total": 0, "completed": 3, "failed": 1, "invalid": 0}
    assert (saved["through"], saved["beyond"]) == (2, "6")
    assert context.files.stored == {
        "output-00000-1.jsonl": b"line 1\nline 2\nline 4\n",
        "errors-00000-1.jsonl": b"bad 5\n",
    }
    assert saved["output"] == {"full": [], "bytes": 21, "attempt": 1}


async def test_nothing_new_makes_no_checkpoint(tmp_path):
    ledger, context = await opened(tmp_path)
    await ledger.flush()
    ledger.finish(1, "completed", b"line")
    await ledger.flush()
    await ledger.flush()
    assert len(context.saved) == 1


async def test_the_next_attempt_goes_on_behind_what_the_checkpoint_counts(tmp_path):
    ledger, context = await opened(tmp_path)
    for number in (1, 3):
        ledger.finish(number, "completed", b"line %d" % number)
    await ledger.flush()
    # Stored, and not counted: the attempt was killed before its checkpoint.
    context.files.stored["output-00000-1.jsonl"] += b"line 4\n"
    again, other = await opened(
        tmp_path, "second", files=context.files, last_checkpoint=context.saved[-1], attempt=2
    )
    assert [number for number in range(1, 6) if again.is_finished(number)] == [1, 3]
    again.finish(2, "completed", b"line 2")
    await again.flush()
    # What the killed attempt stores too late does no harm.
    context.files.stored["output-00000-1.jsonl"] += b"line 5\n"
    [name] = chunk_names(again.checkpoint, "output")
    assert context.files.stored[name] == b"line 1\nline 3\nline 2\n"
    assert other.saved[-1]["through"] == 3
    assert other.saved[-1]["counts"]["completed"] == 3


async def test_a_full_chunk_is_never_written_again(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", 10)
    ledger, context = await opened(tmp_path)
    for number in range(1, 6):
        ledger.finish(number, "completed", b"%05d" % number)
        await ledger.flush()
    names = chunk_names(ledger.checkpoint, "output")
    assert names == ("output-00000-1.jsonl", "output-00001-1.jsonl", "output-00002-1.jsonl")
    assert b"".join(context.files.stored[name] for name in names) == (
        b"00001\n00002\n00003\n00004\n00005\n"
    )
    [file] = published_files(ledger.checkpoint)
    assert (file.purpose, file.files, file.is_from_operation) == ("batch_output", names, True)


async def test_no_checkpoint_grows_past_its_limit(tmp_path):
    ledger, context = await opened(tmp_path)
    # The worst there is: every other row is finished, and the first is not.
    for number in range(2, AHEAD_ROWS_MAX + 1, 2):
        ledger.finish(number, "completed", b"x")
    ledger.finish(AHEAD_ROWS_MAX + 1, "completed", b"x")
    await ledger.flush()
    assert len(msgspec.json.encode(context.saved[-1])) < 20_000
    again = Ledger(Context(tmp_path / "second", last_checkpoint=context.saved[-1]), source="in")
    assert [n for n in (1, 2, 3, 4) if again.is_finished(n)] == [2, 4]
    assert again.is_finished(AHEAD_ROWS_MAX + 1)


async def test_no_row_runs_far_ahead_of_the_oldest_unfinished_one(tmp_path):
    ledger, _ = await opened(tmp_path)
    ledger.finish(2, "completed", b"x")
    await ledger.room(AHEAD_ROWS_MAX)
    waiting = asyncio.create_task(ledger.room(AHEAD_ROWS_MAX + 2))
    await asyncio.sleep(0)
    assert not waiting.done()
    ledger.pass_over(1)
    await asyncio.wait_for(waiting, 1)


async def test_what_waits_to_be_written_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BUFFER_BYTES_MAX", 10)
    ledger, _ = await opened(tmp_path)
    ledger.finish(1, "completed", b"x" * 20)
    waiting = asyncio.create_task(ledger.room(2))
    await asyncio.sleep(0)
    assert not waiting.done()
    await ledger.flush()
    await asyncio.wait_for(waiting, 1)


async def test_a_chunk_that_is_gone_is_told(tmp_path):
    ledger, context = await opened(tmp_path)
    ledger.finish(1, "completed", b"x")
    await ledger.flush()
    with pytest.raises(Fatal, match="is gone"):
        await opened(tmp_path, "second", last_checkpoint=context.saved[-1])


async def test_another_input_is_refused(tmp_path):
    saved = msgspec.to_builtins(Checkpoint(name="batch_x", source="other"))
    with pytest.raises(Fatal, match="new version") as refused:
        await opened(tmp_path, last_checkpoint=saved)
    assert refused.value.code == "source_changed"
