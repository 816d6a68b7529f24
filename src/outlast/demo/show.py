"""What is shown, step by step. Every step is a command that anybody could type, and is checked."""

import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NoReturn

import msgspec
from httpx import HTTPError
from rich.console import Console
from rich.text import Text

from outlast.client.answers import Operation
from outlast.client.connecting import DEFAULT_URL
from outlast.client.errors import ClientError
from outlast.client.sync import Client
from outlast.demo.nebius import ROOT, NebiusClient
from outlast.demo.queries import BUSIEST_ROW, CARRIERS, FLIGHTS, FLIGHTS_ROWS, PAIRS_ROW, SPECS
from outlast.demo.server import DemoServer, ServerDied, program, quiet_environment

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED: Final = 130
_STEP_SECONDS: Final = 120.0
_CANCEL_AFTER_SECONDS: Final = 20.0


class Unexpected(RuntimeError):
    """The demonstration did not go as it should."""


_TROUBLES: Final = (Unexpected, ServerDied, ClientError, HTTPError, subprocess.TimeoutExpired)


def show(keep: Path | None = None) -> int:
    """Run the demonstration in a fresh folder; 0 if everything was as it should be."""
    console = Console(highlight=False)
    base = _fresh_folder(keep)
    _write_specs(base)
    extra = _sandbox_flags(console)
    server = DemoServer(base / "data", base / "server.log", extra)
    with closing(_Interruption()) as interruption:
        try:
            with server:
                _Demonstration(console, server, base, interruption).run()
        except KeyboardInterrupt:
            console.print(Text("\nInterrupted. The server has stopped.", "yellow"))
            return _INTERRUPTED
        except _TROUBLES as error:
            console.print(Text(f"\nThis is not as it should be: {error}", "red"))
            console.print(Text(f"The end of the server's log ({base / 'server.log'}):", "dim"))
            console.print(Text(server.log_tail()))
            return 1
    _say_farewell(console, base, extra)
    return 0


class _Demonstration:
    """The steps, with the server up."""

    def __init__(
        self, console: Console, server: DemoServer, base: Path, interruption: "_Interruption"
    ) -> None:
        self._interruption = interruption
        self._console = console
        self._server = server
        self._base = base
        self._number = 0
        self._cancelled = ""

    def run(self) -> None:
        address = self._server.address
        self._console.print(
            Text.assemble(
                ("A server answers at ", ""), (address.url, "bold"),
                (f" (process {self._server.pid}, data in {self._base / 'data'}).", ""),
            )
        )  # fmt: skip
        with Client(address.url, address.token_file.read_text().strip()) as client:
            for step in self._steps():
                step(client)

    def _steps(self) -> Sequence[Callable[[Client], None]]:
        return (
            self._upload,
            self._query,
            self._watch,
            self._refuse,
            self._fail,
            self._cancel,
            self._look_back,
            self._ask_as_nebius,
        )

    def _upload(self, client: Client) -> None:
        self._explain(
            f"A dataset from a file: all {FLIGHTS_ROWS:,} flights out of New York in 2013. "
            "Versions are immutable, named by the hash of what is in them."
        )
        self._type("datasets", "upload", "flights", str(FLIGHTS))
        rows = client.datasets.rows("flights", limit=1).total
        _expect("the rows of the dataset", rows, FLIGHTS_ROWS)

    def _query(self, client: Client) -> None:
        self._explain(
            "A query in YQL, as an operation: the server answers at once with its id and sees it "
            "through, in a locked child process without network and without your files."
        )
        self._type("submit", "sql_query", "@carriers.json", "--wait")
        operation = _latest(client)
        _expect("the state of the query", operation.state, "succeeded")
        self._explain("What it made is a version of a dataset, there exactly since it succeeded.")
        self._type("datasets", "rows", "carriers", "--limit", "5")
        found = client.datasets.rows("carriers", limit=1000)
        busiest = {name: found.rows[0].get(name) for name in BUSIEST_ROW}
        _expect("the rows of the result", (found.total, busiest), (CARRIERS, BUSIEST_ROW))
        made_by = next(client.datasets.versions("carriers")).operation_id
        _expect("who made the version", made_by, operation.id)

    def _watch(self, client: Client) -> None:
        self._explain(
            f"A longer one, watched: {PAIRS_ROW['pairs']:,} pairs of flights of one carrier to one "
            "place. How often was the second one later than the first?"
        )
        self._type("submit", "sql_query", "@pairs.json", "--watch")
        _expect("the state of the query", _latest(client).state, "succeeded")
        _expect("the result", client.datasets.rows("pairs").rows[0], PAIRS_ROW)

    def _refuse(self, client: Client) -> None:
        before = _latest(client).id
        self._explain("What cannot be right is refused at once, before there is an operation.")
        self._type("submit", "sql_query", "@refused.json", expected=2)
        _expect("the newest operation", _latest(client).id, before)

    def _fail(self, client: Client) -> None:
        self._explain(
            "What goes wrong while it runs is told as it is: a code, and whose fault it is."
        )
        self._type("submit", "sql_query", "@failing.json", "--wait", expected=1)
        operation = _latest(client)
        fault = None if operation.failure is None else operation.failure.fault
        _expect("the failed operation", (operation.state, fault), ("failed", "user"))

    def _cancel(self, client: Client) -> None:
        self._explain(
            "An operation that would take hours, cancelled. `cancelled` is only said once its code "
            "has really stopped."
        )
        self._type("submit", "sql_query", "@endless.json")
        changes = client.watch(_latest(client).id)
        operation = next(seen for seen in changes if seen.state != "pending")
        _expect("the long query", operation.state, "running")
        self._type("cancel", operation.id)
        self._type("wait", operation.id, "--timeout", f"{_CANCEL_AFTER_SECONDS:g}s", expected=3)
        _expect("the cancelled operation", client.get(operation.id).state, "cancelled")
        self._cancelled = operation.id

    def _look_back(self, client: Client) -> None:
        self._explain("All of it is kept: every operation, its history, its log.")
        self._type("list")
        self._type("events", self._cancelled)
        _expect("the operations", len(list(client.list())), 4)

    def _ask_as_nebius(self, client: Client) -> None:
        self._explain(
            "The same server speaks the wire format of Nebius Token Factory, below /nebius: the "
            "first query again, as a client of that platform asks. OpenAI's SDK works there too."
        )
        address = self._server.address
        door = NebiusClient(self._console, address.url, address.token_file.read_text().strip())
        version = next(client.datasets.versions("flights")).version
        operation = door.run_query(SPECS["carriers"]["query"], "flights", version)
        _expect("the status on that wire", operation["status"], "succeeded")
        rows = door.rows(operation["dst"][0]["id"], limit=2)
        _expect("the busiest carrier", {name: rows[0][name] for name in BUSIEST_ROW}, BUSIEST_ROW)

    def _explain(self, text: str) -> None:
        self._number += 1
        self._console.print()
        self._console.print(Text.assemble((f"{self._number}. ", "bold"), text))

    def _type(self, *arguments: str, expected: int = 0) -> None:
        """Show a command, run it, and see that it leaves with the exit code expected."""
        line = shlex.join(("outlast", *arguments)).replace(str(FLIGHTS), FLIGHTS.name)
        self._console.print(Text(f"$ {line}", "bold cyan"))
        sys.stdout.flush()
        self._interruption.check()
        done = subprocess.run(  # noqa: S603  our own program
            program(*arguments),
            cwd=self._base,
            env=quiet_environment(
                OUTLAST_URL=self._server.address.url, OUTLAST_DATA=str(self._base / "data")
            ),
            stdin=subprocess.DEVNULL,
            timeout=_STEP_SECONDS,
            check=False,
        )
        self._interruption.check()
        _expect(f"the exit code of `{line}`", done.returncode, expected)


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise Unexpected(f"{what} should be {expected!r}, and is {found!r}")


class _Interruption:
    """Ctrl-C and SIGTERM, remembered: what a signal raises is lost where it hits a finalizer."""

    def __init__(self) -> None:
        self._came = False
        self._before = [(number, signal.signal(number, self)) for number in _SIGNALS]

    def __call__(self, _number: int, _frame: object) -> NoReturn:
        self._came = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if there was one."""
        if self._came:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Leave signals to whoever had them before."""
        for number, handler in self._before:
            signal.signal(number, handler)


def _latest(client: Client) -> Operation:
    return next(client.list(limit=1))


def _fresh_folder(keep: Path | None) -> Path:
    if keep is None:
        base = Path(tempfile.mkdtemp(prefix="outlast-demo-"))
    else:
        base = keep.absolute()
        base.mkdir(parents=True, exist_ok=True)
        if any(base.iterdir()):
            raise FileExistsError(f"{base} is not empty; the demonstration wants a fresh folder")
    # The children of attempts pass through it on the way to their own folders.
    base.chmod(0o711)
    return base


def _write_specs(base: Path) -> None:
    for name, spec in SPECS.items():
        text = msgspec.json.format(msgspec.json.encode(spec), indent=2)
        (base / f"{name}.json").write_bytes(text + b"\n")


def _sandbox_flags(console: Console) -> Sequence[str]:
    from outlast import app  # noqa: PLC0415  heavy, and needed for this question alone

    report = app.sandbox_report()
    if report.holds:
        return ()
    console.print(
        Text(
            f"No sandbox holds on this machine ({report.details}). The demonstration runs its "
            "own queries only, so it passes --allow-unsandboxed; think before you do.",
            "yellow",
        )
    )
    return ("--allow-unsandboxed",)


def _say_farewell(console: Console, base: Path, extra: Sequence[str]) -> None:
    data = base / "data"
    name = _own_name()
    console.print()
    console.print(
        Text("All as it should be. The server has stopped; nothing is left running.", "green")
    )
    for what, value in (
        ("Start it again", f"{name} {shlex.join(('serve', '--data', str(data), *extra))}"),
        ("It answers at", DEFAULT_URL),
        ("The token is in", str(data / "admin-token")),
        ("OpenAI's SDK", f'OpenAI(base_url="{DEFAULT_URL}{ROOT}", api_key="that token")'),
        ("Talk to it", f"OUTLAST_DATA={shlex.quote(str(data))} {name} list"),
        ("The specs are in", str(base)),
        ("Forget it all", shlex.join(("rm", "-r", str(base)))),
    ):
        console.print(Text.assemble((f"{what:<17}", "dim"), value), soft_wrap=True)


def _own_name() -> str:
    """What has to be typed for this program, as it was typed."""
    if Path(sys.argv[0]).name == "outlast":
        return shlex.quote(sys.argv[0])
    return f"{shlex.quote(sys.executable)} -m outlast"
