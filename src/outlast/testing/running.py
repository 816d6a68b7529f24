"""Run a kind without a server: its `prepare` and its handler, in this process, on real values."""

import asyncio
import inspect
import shutil
import tempfile
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from outlast.engine.preparing import OwnPreparer, check_prepared
from outlast.executors.context import HandlerContext
from outlast.executors.outcomes import Handling, encode_write, outcome_of_error
from outlast.executors.port import Assignment, Failed, Finished
from outlast.operations import documents
from outlast.operations.failure import Failure
from outlast.operations.kind import Kind, Prepared, Resource
from outlast.operations.model import SECOND
from outlast.operations.progress import Progress, Report, advance
from outlast.settings import Limits

_NOW: Final = 1_700_000_000 * SECOND


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended and what it said on the way.

    `result` is the decoded result, or None with a `failure`. `writes` are what a Finish named,
    `partial` what the kind makes of the last checkpoint when the attempt failed.
    """

    result: Any = None
    failure: Failure | None = None
    after_seconds: float | None = None
    writes: Sequence[Any] = ()
    partial: Sequence[Any] = ()
    progress: Progress | None = None
    reports: Sequence[Report] = ()
    checkpoints: Sequence[Any] = ()
    log: Sequence[str] = ()
    events: Sequence[tuple[str, Mapping[str, Any]]] = ()
    files: Mapping[str, bytes] = {}


class ListedCatalog:
    """A catalog of the resources that a test names."""

    def __init__(self, resources: Sequence[Resource] = ()) -> None:
        self._resources = resources

    @property
    def operation_id(self) -> str | None:
        """See operations.kind.Catalog: the operation is being created."""
        return None

    async def get(self, type: str, id_or_name: str) -> Resource | None:
        """See operations.kind.Catalog."""
        of_type = [one for one in self._resources if one.type == type]
        by_id = [one for one in of_type if one.id == id_or_name]
        by_name = [one for one in of_type if one.name == id_or_name]
        return next(iter(by_id + by_name), None)

    async def find(self, type: str, *, limit: int = 100, **fields: str) -> Sequence[Resource]:
        """See operations.kind.Catalog."""
        found = [
            one
            for one in self._resources
            if one.type == type and all(one.fields.get(key) == fields[key] for key in fields)
        ]
        return sorted(found, key=lambda one: one.id, reverse=True)[:limit]


def run_kind(
    kind: Kind,
    spec: object,
    *,
    catalog: Sequence[Resource] = (),
    checkpoint: object = None,
    attempt: int = 1,
    inputs: Mapping[str, Path] | None = None,
    secrets: Mapping[str, str] | None = None,
    files: Mapping[str, bytes] | None = None,
    cancel_requested: bool = False,
) -> RunResult:
    """Prepare and run one attempt of a kind here, in a work folder that is gone afterwards.

    The spec, the plan and the result pass through JSON as they do on a server. Nothing is locked
    down: do not feed a sandboxed kind what you do not trust. What `prepare` raises is raised.
    `inputs` are files to be found in the workdir, for the inputs and the exports of a Prepared;
    `secrets` are the secrets by name, of which the handler is given those that its Prepared names.
    `checkpoint` is what an earlier attempt saved, `files` what it left among the operation's own.
    """
    encoded = documents.encode(spec)
    preparing = OwnPreparer().prepare(kind, encoded, ListedCatalog(catalog))
    prepared = check_prepared(kind, asyncio.run(preparing))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outlast-")))
        (folder / "work").mkdir()
        for name, source in (inputs or {}).items():
            shutil.copyfile(source, folder / "work" / name)
        for name, content in (files or {}).items():
            kept = folder / "files" / name
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(content)
        assignment = Assignment(
            operation_id="0" * 20,
            kind=kind.name,
            module=kind.run.__module__,
            plan=prepared.plan,
            attempt=attempt,
            checkpoint=None if checkpoint is None else documents.encode(checkpoint),
            secrets=_chosen(prepared, secrets or {}),
            lease_seconds=15,
            cancel_grace_seconds=5,
        )
        context = RecordingContext(assignment, folder, cancel_requested=cancel_requested)
        return _run(kind, prepared.plan, context)


def _chosen(prepared: Prepared, secrets: Mapping[str, str]) -> dict[str, str]:
    missing = sorted(prepared.secrets.keys() - secrets.keys())
    if missing:
        raise ValueError(f"give run_kind the secrets {', '.join(missing)}: prepare names them")
    return {name: secrets[name] for name in prepared.secrets}


def _run(kind: Kind, plan: bytes, context: "RecordingContext") -> RunResult:
    handling = Handling(kind, Limits())
    outcome: Finished | Failed
    try:
        value = kind.run(handling.decode_plan(plan), context)
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
        outcome = handling.outcome_of_value(value)
    except Exception as error:  # noqa: BLE001  the handler's edge, as in a worker
        outcome = outcome_of_error(error)
    if isinstance(outcome, Failed):
        return context.told(
            failure=outcome.failure,
            after_seconds=outcome.after_seconds,
            partial=context.left(kind),
        )
    return context.told(
        result=documents.decode(outcome.result),
        writes=[documents.decode(write) for write in outcome.writes],
    )


class RecordingContext(HandlerContext):
    """A handler's Context that remembers what it was told."""

    __slots__ = ("_checkpoints", "_events", "_folder", "_lines", "_reports", "cancelled")

    def __init__(self, assignment: Assignment, folder: Path, *, cancel_requested: bool) -> None:
        super().__init__(assignment, Limits())
        self.cancelled = cancel_requested
        self._folder = folder
        self._reports: list[Report] = []
        self._checkpoints: list[Any] = []
        self._lines: list[str] = []
        self._events: list[tuple[str, Mapping[str, Any]]] = []

    @property
    def workdir(self) -> Path:
        """An empty folder of this attempt's own."""
        return self._folder / "work"

    @property
    def files(self) -> "FolderFiles":
        """The operation's own files."""
        return FolderFiles(self._folder / "files")

    def told(self, **ending: Any) -> RunResult:
        """Everything that the handler said, and how it ended."""
        progress = None
        for number, report in enumerate(self._reports):
            progress = advance(progress, report, self.attempt, _NOW + number * SECOND)
        files = self.files
        return RunResult(
            progress=progress,
            reports=self._reports,
            checkpoints=self._checkpoints,
            log=self._lines,
            events=self._events,
            files={name: files.path(name).read_bytes() for name in files.list()},
            **ending,
        )

    def left(self, kind: Kind) -> Sequence[Any]:
        """What would be published if the operation ended now without success."""
        saved = self._checkpoints[-1] if self._checkpoints else self.last_checkpoint
        if kind.partial is None or saved is None:
            return ()
        return [documents.decode(encode_write(one)) for one in kind.partial(saved)]

    def _send_report(self, report: Report) -> None:
        self._reports.append(report)

    def _send_checkpoint(self, document: bytes) -> Awaitable[None]:
        self._checkpoints.append(documents.decode(document))
        return _Done()

    def _send_log(self, line: str) -> None:
        self._lines.append(line)

    def _send_event(self, type: str, data: bytes) -> None:
        self._events.append((type, documents.decode(data)))


class FolderFiles:
    """The operation's own files, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where the named file is kept."""
        return self._folder / name

    def put(self, name: str, path: Path) -> None:
        """See operations.kind.Files."""
        target = self.path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)

    def get(self, name: str, path: Path) -> bool:
        """See operations.kind.Files."""
        if not self.path(name).exists():
            return False
        shutil.copyfile(self.path(name), path)
        return True

    def list(self) -> Sequence[str]:
        """See operations.kind.Files."""
        found = self._folder.rglob("*") if self._folder.exists() else ()
        return sorted(str(path.relative_to(self._folder)) for path in found if path.is_file())


class _Done:
    """Awaitable, and done already."""

    def __await__(self) -> Any:
        return
        yield
