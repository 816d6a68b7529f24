"""One run of the tool on a stack: from the state as it was to the state as it is."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

import msgspec

from outlast.kinds.infrastructure import failures
from outlast.kinds.infrastructure.keeping import StateKeeper
from outlast.kinds.infrastructure.plan import ENVIRONMENT, VARIABLE, InfrastructurePlan
from outlast.kinds.infrastructure.program import Program
from outlast.kinds.infrastructure.reporting import Reporter
from outlast.kinds.infrastructure.stream import Diagnostic, Line, read_line
from outlast.kinds.infrastructure.table import ResourceTable, Row
from outlast.kinds.infrastructure.workspace import Workspace
from outlast.operations.concealing import Concealer
from outlast.operations.errors import Fatal, Retry
from outlast.operations.kind import Context
from outlast.resources.stacks.model import OUTPUTS_BYTES_MAX, DriftedResource, Output, StackState

APPLIES_MAX: Final = 3
"""After so many attempts a failed apply is the caller's to mend."""

_INIT_SECONDS: Final = 900.0
_DIAGNOSTICS_MAX: Final = 1000
_DRIFT_MAX: Final = 1000
_DONE: Final = {"create": "created", "update": "updated", "delete": "deleted", "read": "read"}
_PLANNED, _DIFFERS = 0, 2
"""Exit codes of a plan: nothing differs, or something does."""


class StackRun:
    """A run of the tool for one attempt."""

    def __init__(self, plan: InfrastructurePlan, context: Context) -> None:
        self.table = ResourceTable(plan.urn_prefix, self._conceal)
        self.drifted: list[DriftedResource] = []
        self._plan = plan
        self._context = context
        self._workspace = Workspace(context.workdir)
        self._keeper = StateKeeper(plan, context, self._workspace)
        self._reporter = Reporter(context, self.table)
        self._errors: list[Diagnostic] = []
        self._concealer = Concealer()
        self._environment: dict[str, str] = {}
        self._unknown: list[str] = []
        self._stage_of_apply = "applying"

    def __enter__(self) -> Self:
        """Nothing to do yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what the tool was given, and what it has left."""
        self._workspace.clear(has_state=not self._keeper.is_stored)

    @property
    def has_state(self) -> bool:
        """Whether anything was ever made of the stack."""
        return not self._keeper.was_empty

    @property
    def resources(self) -> int:
        """Of how many resources the stack consists."""
        return self._keeper.summary.resources

    async def begin(self, *, changes: bool) -> None:
        """Lay out the workspace, with the newest state, which `changes` or not. Raises Fatal."""
        self._reporter.stage("initializing")
        secret_variables = await asyncio.to_thread(self._lay_out, changes=changes)
        texts = [text for value in secret_variables.values() for text in _texts(value)]
        texts += self._secret_environment().values()
        # Addresses have their keys in quotes, and outputs are read as JSON.
        quoted = [msgspec.json.encode(text).decode()[1:-1] for text in texts]
        self._concealer = Concealer([*texts, *quoted])
        if changes:
            # What is published if this ends without success.
            await self._context.checkpoint(self.published())

    async def initialize(self) -> None:
        """Have the tool find its providers. Raises Fatal, Retry."""
        if self._unknown:
            raise Fatal(
                "secret_variables_missing",
                f"no value is known any more of: {', '.join(self._unknown)}; give them again",
                field_errors={f"secret_variables.{name}": "is missing" for name in self._unknown},
            )
        lock = ("-lockfile=readonly",) if self._workspace.has_lock else ()
        # In words: not every release can say in JSON how it prepares itself.
        code, complaint = await self._run("init", "-no-color", *lock, timeout_seconds=_INIT_SECONDS)
        if code:
            text = failures.plain_words(complaint, self._conceal) or self._said(code)
            if self._plan.tool.registries and self._context.attempt < APPLIES_MAX:
                raise Retry(code="init_failed", message=text)
            raise Fatal("init_failed", text)

    async def apply(self, *, destroys: bool = False) -> None:
        """Make the stack what it shall be, or nothing. Raises Fatal, Retry, OutlastError."""
        self._reporter.stage("planning")
        self._stage_of_apply = "destroying" if destroys else "applying"
        arguments = ["-auto-approve", f"-parallelism={self._plan.tool.parallelism}"]
        if destroys:
            arguments.append("-destroy")
        try:
            async with self._reporter.reporting(), self._keeper.keeping():
                code, _ = await self._run(
                    "apply", "-json", *arguments, timeout_seconds=self._plan.module.timeout_seconds
                )
        finally:
            await self._context.checkpoint(self.published())
        if code:
            raise self._failure(code)

    async def plan_changes(self, *, refresh_only: bool = False) -> None:
        """Find what an apply would change or, `refresh_only`, what others have changed."""
        self._reporter.stage("planning")
        arguments = ["-json", "-detailed-exitcode", "-lock=false"]
        if refresh_only:
            arguments.append("-refresh-only")
        async with self._reporter.reporting():
            code, _ = await self._run(
                "plan", *arguments, timeout_seconds=self._plan.module.timeout_seconds
            )
        if code not in {_PLANNED, _DIFFERS}:
            raise self._failure(code)

    def published(self, *, is_done: bool = False) -> StackState:
        """What the catalog shall tell of the stack."""
        return StackState(
            stack=self._plan.stack,
            state=self._keeper.name,
            module=self._plan.module,
            variables=self._plan.variables,
            secret_names=self._plan.secret_names,
            connection=self._plan.connection,
            resources=self._keeper.summary.resources,
            outputs=self._outputs(),
            is_done=is_done,
        )

    def _lay_out(self, *, changes: bool) -> Mapping[str, Any]:
        """Write what the tool is to find; the secret variables."""
        state = self._keeper.load()
        kept = self._keeper.secret_variables
        given = {
            name.removeprefix(VARIABLE): _value(text)
            for name, text in self._context.secrets.items()
            if name.startswith(VARIABLE)
        }
        known = {**kept, **given}
        self._unknown = [name for name in self._plan.secret_names if name not in known]
        secret = {name: known[name] for name in self._plan.secret_names if name in known}
        variables = {**self._plan.variables, **secret}
        state_file = self._keeper.claim() if changes else None
        self._workspace.write(self._plan.tool, variables, state, state_file=state_file)
        if changes:
            self._keeper.begin(state, secret)
        self._environment = self._workspace.environment(
            self._plan.tool, {**self._plan.plain_environment, **self._secret_environment()}
        )
        return secret

    def _secret_environment(self) -> dict[str, str]:
        return {
            name.removeprefix(ENVIRONMENT): value
            for name, value in self._context.secrets.items()
            if name.startswith(ENVIRONMENT) and value
        }

    async def _run(
        self, command: str, *arguments: str, timeout_seconds: float
    ) -> tuple[int, bytes]:
        """Its exit code, and the end of what it wrote to its other output."""
        self._errors = []
        tool = self._plan.tool.program
        if tool is None:
            raise Fatal(
                "program_missing",
                "this worker has neither tofu nor terraform: install one, or name it in the"
                " settings as [infrastructure] program",
            )
        program = Program(tool, self._workspace.module, self._environment, self._hear)
        try:
            code = await program.run(
                command, "-input=false", *arguments, timeout_seconds=timeout_seconds
            )
        except TimeoutError:
            message = f"{command} took more than {timeout_seconds:g} s"
            raise Fatal("timed_out", message) from None
        except OSError as error:
            raise Fatal("program_missing", f"{tool} cannot be run: {error.strerror}") from error
        if code not in {0, 1, _DIFFERS} and program.complaint:
            self._context.log(self._conceal(program.complaint.decode(errors="replace")))
        return code, program.complaint

    def _hear(self, raw: bytes) -> None:
        line = read_line(raw)
        if line is None:
            return
        if line.diagnostic is not None:
            self._complain(line.diagnostic)
        if line.type == "resource_drift" and line.change is not None:
            self._note_drift(line)
        if line.type == "apply_start" and line.hook is not None and line.hook.action != "read":
            self._reporter.stage(self._stage_of_apply)
        ended = self.table.read(line, time.monotonic())
        if ended is not None:
            self._context.log(_log_line(ended))
        self._reporter.changed()

    def _complain(self, diagnostic: Diagnostic) -> None:
        text = failures.describe(diagnostic, self._conceal)
        self._context.log(f"{diagnostic.severity}: {text}")
        if diagnostic.severity == "error" and len(self._errors) < _DIAGNOSTICS_MAX:
            self._errors.append(diagnostic)

    def _note_drift(self, line: Line) -> None:
        if line.change is not None and len(self.drifted) < _DRIFT_MAX:
            resource = line.change.resource
            self.drifted.append(
                DriftedResource(
                    address=self._conceal(resource.addr),
                    type=resource.resource_type,
                    change=line.change.action,
                )
            )

    def _failure(self, code: int) -> Fatal | Retry:
        text = failures.message_of(self._errors, self._conceal, self._said(code))
        if code not in {1, _DIFFERS}:
            return Retry(code="program_crashed", message=text)
        if not self.table.is_applying:
            fields = failures.field_errors_of(self._errors, self._conceal)
            return Fatal("plan_failed", text, field_errors=fields, details=self._details())
        if self._context.attempt < APPLIES_MAX:
            return Retry(code="apply_failed", message=text)
        return Fatal("apply_failed", text, details=self._details())

    def _conceal(self, text: str) -> str:
        """The text without secrets, and without where on this machine it was made."""
        return self._concealer.text(text).replace(f"{self._context.workdir}/", "")

    def _said(self, code: int) -> str:
        return f"the program ended with {code} and did not say why"

    def _details(self) -> dict[str, Any]:
        return failures.details_of(self._errors, self._conceal)

    def _outputs(self) -> dict[str, Output]:
        """What may be shown of the outputs: neither what is sensitive nor what holds a secret."""
        left, shown = OUTPUTS_BYTES_MAX, {}
        for name, output in self._keeper.summary.outputs.items():
            text = msgspec.json.encode(output.value).decode()
            left -= len(text)
            if output.sensitive or self._concealer.text(text) != text:
                shown[name] = Output(is_sensitive=True)
            else:
                shown[name] = Output(value=output.value) if left >= 0 else Output(is_left_out=True)
        return shown


def _log_line(row: Row) -> str:
    took = f"{row.seconds or 0:.1f} s"
    if row.status == "failed":
        return f"failed to {row.action} {row.resource.addr} after {took}"
    return f"{_DONE.get(row.action, row.action)} {row.resource.addr} in {took}"


def _value(text: str) -> Any:
    """A secret variable's value, as whoever sealed it has written it."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _texts(value: Any) -> Iterator[str]:
    """Every text and number in a value, as it is and as it stands in JSON."""
    match value:
        case Mapping():
            for one in value.values():
                yield from _texts(one)
        case list():
            for one in value:
                yield from _texts(one)
        case str():
            yield value
            yield msgspec.json.encode(value)[1:-1].decode()
        case bool() | None:
            return
        case _:
            yield str(value)
