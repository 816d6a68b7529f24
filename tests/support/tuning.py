"""Fine-tuning without a server: a catalog, rows, and a context that asks to stop at a step."""

import asyncio
import contextlib
import json
from pathlib import Path

import msgspec
from animal_chats import chats

from outlast.executors.outcomes import Handling, outcome_of_error
from outlast.executors.port import Assignment, Failed
from outlast.kinds.fine_tuning import fine_tuning_kind
from outlast.operations import documents
from outlast.operations.kind import Resource
from outlast.resources.files import FileDocument, FilePart
from outlast.settings import Limits
from outlast.testing.running import ListedCatalog, RecordingContext

KIND = fine_tuning_kind(is_installed=lambda: True)
FILE = "01J0000000000000000F"
OPERATION = "0" * 20


def resource(type, id, document, name=""):
    return Resource(
        tenant="default",
        type=type,
        id=id,
        name=name or id,
        document=msgspec.json.encode(document),
        revision=1,
        created_at=0,
        updated_at=0,
    )


def catalog(folder: Path, *more):
    """A catalog with the model `tiny` of a folder, the model `gpt` of an endpoint, and a file."""
    part = FilePart(key="tenant/default/files/x/y", bytes=10)
    file = FileDocument(name="rows.jsonl", purpose="fine-tune", parts=(part, part), created_by="a")
    return [
        resource("backend", "tiny", {"folder": str(folder)}),
        resource("backend", "far", {"url": "http://127.0.0.1:9/v1", "models": ["gpt"]}),
        resource("file", FILE, file),
        *more,
    ]


def write_rows(path: Path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Training:
    """Attempts of one fine-tuning, over the same files."""

    def __init__(self, folder: Path, model: Path, *, rows=40, validation=None, **spec):
        self.folder = folder
        self._resources = catalog(model)
        self._spec = {"model": "tiny", "train": {"file": FILE}} | spec
        self.rows = list(chats(rows)) if isinstance(rows, int) else rows
        self._validation = validation
        self.checkpoint = None

    def attempt(self, number=1, *, stop_at=None, crash_at=None):
        """Run one attempt; its context says what happened, `outcome` how it ended."""
        work = self.folder / f"attempt-{number}"
        (work / "work").mkdir(parents=True)
        # Cut in the middle of a row, as parts of files may be.
        content = "".join(json.dumps(row) + "\n" for row in self.rows).encode()
        (work / "work" / "train-0").write_bytes(content[:333])
        (work / "work" / "train-1").write_bytes(content[333:])
        if self._validation is not None:
            self._spec["validation"] = {"file": FILE}
            write_rows(work / "work" / "validation-0", self._validation)
            (work / "work" / "validation-1").touch()
        encoded = documents.encode(self._spec)
        spec = msgspec.json.decode(encoded, type=KIND.spec)
        prepared = asyncio.run(KIND.prepare(spec, ListedCatalog(self._resources)))
        plan = documents.encode(prepared.plan)
        assignment = Assignment(
            operation_id=OPERATION,
            kind=KIND.name,
            module="outlast.kinds.fine_tuning",
            plan=plan,
            attempt=number,
            checkpoint=None if self.checkpoint is None else documents.encode(self.checkpoint),
            lease_seconds=15,
            cancel_grace_seconds=5,
        )
        context = HaltingContext(assignment, work, self.folder / "files", stop_at, crash_at)
        self.outcome = self._run(Handling(KIND, Limits()), plan, context)
        told = context.told()
        if told.checkpoints:
            self.checkpoint = told.checkpoints[-1]
        return told

    def _run(self, handling, plan, context):
        try:
            with contextlib.chdir(context.workdir):
                value = KIND.run(handling.decode_plan(plan), context)
            return handling.outcome_of_value(value)
        except asyncio.CancelledError:
            return None
        except Exception as error:  # noqa: BLE001  the handler's edge, as in a worker
            return outcome_of_error(error)

    @property
    def result(self):
        assert not isinstance(self.outcome, Failed), self.outcome
        return msgspec.json.decode(self.outcome.result)


class HaltingContext(RecordingContext):
    """A context whose files outlive its attempt, and that is cancelled, or fails, at a step."""

    def __init__(self, assignment, folder, files, stop_at, crash_at):
        super().__init__(assignment, folder, cancel_requested=False)
        self._kept = files
        self._stop_at = stop_at
        self._crash_at = crash_at

    @property
    def files(self):
        return type(super().files)(self._kept)

    def report(self, done=None, *arguments, **named):
        super().report(done, *arguments, **named)
        # Told after step N, the handler sees it at the end of step N + 1.
        if self._stop_at is not None and done is not None and done >= self._stop_at - 1:
            self.cancelled = True
        if self._crash_at is not None and done is not None and done >= self._crash_at:
            raise ConnectionError("the worker is gone")


def losses(told):
    """Step -> loss, to the last digit."""
    return {
        data["step"]: data["train_loss"] for type, data in told.events if type == "training_metrics"
    }
