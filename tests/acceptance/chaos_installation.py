"""A server in a folder of its own: start it, find its processes, stop it, see that all are gone.

On PostgreSQL there may be more of them beside it: `others`, each a command and what runs of it.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import process_table
from process_table import Process

HERE = Path(__file__).parent
SHORT_RECOVERY = {
    "lease_seconds": 3.0,
    "renew_seconds": 0.8,
    "reap_seconds": 0.3,
    "cancel_grace_seconds": 1.0,
    "drain_seconds": 2.0,
}


@dataclass
class Installation:
    """One data folder and the server on it. `recovery` is the settings table; empty: defaults."""

    folder: Path
    recovery: dict[str, float] = field(default_factory=lambda: dict(SHORT_RECOVERY))
    slots: int = 6
    database: str | None = None
    marker: str = field(default_factory=lambda: secrets.token_hex(8))
    port: int = 0
    server: subprocess.Popen[bytes] | None = None
    urls: list[str] = field(default_factory=list)
    others: list["Other"] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The same one after each start, so that clients find the server again.
        self.port = _free_port()
        self.urls.append(self.url)
        table = "\n".join(f"{name} = {value}" for name, value in self.recovery.items())
        self.settings.write_text(f"[recovery]\n{table}\n")

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.folder / "settings.toml"

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server and its processes printed."""
        return self.folder / "server.log"

    @property
    def outside(self) -> Path:
        """The file in which attempts write down what they do. Anybody may write there."""
        return self.folder / "outside.jsonl"

    @property
    def url(self) -> str:
        """Where the server answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """The admin token. It is there once the server answers."""
        return (self.data / "admin-token").read_text().strip()

    def make_outside(self) -> None:
        """Make the outside file and let the children, whoever they are, reach it."""
        self.outside.touch()
        self.outside.chmod(0o666)
        self.folder.chmod(0o711)

    def start(
        self, prefix: Sequence[str] = (), slots: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Start the server, with something before its command; returns at once."""
        command = ("serve", "--port", str(self.port), "--json")
        self.server = self._start(*command, prefix=prefix, slots=slots)
        return self.server

    def start_worker(self, prefix: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start a worker without a server, on the same database and data folder."""
        return self._start("worker", prefix=prefix)

    def add_server(self) -> None:
        """From now on there shall be one more server, with a worker and a data folder."""
        port = _free_port()
        self.urls.append(f"http://127.0.0.1:{port}")
        self.others.append(Other(("serve", "--port", str(port), "--json"), self.folder / "data-2"))

    def add_worker(self) -> None:
        """From now on there shall be one more worker without a server."""
        self.others.append(Other(("worker",), self.data))

    def start_others(self) -> None:
        """Start those of the others that do not run."""
        for other in self.others:
            if other.process is None or other.process.poll() is not None:
                other.process = self._start(*other.command, data=other.data)

    def _start(
        self,
        *command: str,
        data: Path | None = None,
        prefix: Sequence[str] = (),
        slots: int | None = None,
    ) -> subprocess.Popen[bytes]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("OUTLAST_")
        }
        environment["OUTLAST_CHAOS"] = self.marker
        if self.database is not None:
            environment |= {"OUTLAST_DATABASE": self.database, "OUTLAST_DATA_IS_SHARED": "true"}
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [
                    *(*prefix, sys.executable, "-m", "outlast", *command),
                    *("--data", str(self.data if data is None else data)),
                    *("--settings", str(self.settings)),
                    *("--workers", str(self.slots if slots is None else slots)),
                    *("--kinds", "chaos_kinds"),
                ],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_ready(self, seconds: float = 30) -> None:
        """Return once the server accepts connections."""
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            if self.server is None or self.server.poll() is not None:
                raise RuntimeError(f"the server is not there:\n{self.log_tail()}")
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0 and self.has_token():
                    return
            time.sleep(0.02)
        raise RuntimeError(f"the server did not answer within {seconds} s:\n{self.log_tail()}")

    def has_token(self) -> bool:
        """Whether the first start has come so far."""
        path = self.data / "admin-token"
        return path.exists() and path.stat().st_size > 0

    def stop(self, seconds: float = 30) -> int:
        """SIGTERM, wait for the end, and return the exit status. SIGKILL if it takes too long."""
        if self.server is None:
            raise RuntimeError("there is no server")
        for process in self._roots():
            process.terminate()
        try:
            for process in self._roots():
                process.wait(seconds)
            return self.server.wait(seconds)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
            raise

    def kill(self) -> None:
        """kill -9 of the server process, and of it alone."""
        if self.server is not None:
            self.server.send_signal(signal.SIGKILL)
            self.server.wait()

    def processes(self) -> dict[str, list[Process]]:
        """The living processes of this installation by what they are."""
        found: dict[str, list[Process]] = {
            "server": [], "worker": [], "guard": [], "child": [], "grandchild": [],
        }  # fmt: skip
        for process in self._roots():
            root = process_table.find(process.pid)
            if root is None:
                continue
            kinds = {root.pid: "server" if " serve " in root.command else "worker"}
            found[kinds[root.pid]].append(root)
            for descendant in process_table.descendants(root.pid):
                kind = _kind_of(descendant, kinds.get(descendant.parent, ""))
                kinds[descendant.pid] = kind
                found[kind].append(descendant)
        return found

    def survivors(self, seconds: float = 0) -> list[Process]:
        """Who of this installation is alive, if somebody still is after so many seconds."""
        ends_at = time.monotonic() + seconds
        while True:
            alive = process_table.marked(f"OUTLAST_CHAOS={self.marker}")
            if not alive or time.monotonic() >= ends_at:
                return alive
            time.sleep(0.05)

    def lines(self) -> list[dict[str, object]]:
        """What the attempts have written so far. The last line may be under way."""
        text = self.outside.read_bytes()
        return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]

    def log_tail(self) -> str:
        """The end of what was printed."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def _roots(self) -> list[subprocess.Popen[bytes]]:
        every = [self.server, *(other.process for other in self.others)]
        return [process for process in every if process is not None and process.poll() is None]

    def clear(self) -> None:
        """Kill whatever is left of it."""
        for _ in range(100):
            alive = self.survivors()
            for process in self._roots():
                process.kill()
                process.wait()
            if not alive:
                return
            for process in alive:
                process_table.kill(process)
            time.sleep(0.02)


@dataclass
class Other:
    """A process beside the server, and the data folder that it has."""

    command: tuple[str, ...]
    data: Path
    process: subprocess.Popen[bytes] | None = None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _kind_of(process: Process, parent: str) -> str:
    if "outlast.app" in process.command:
        return "worker"
    if "guard.py" in process.command:
        return "guard"
    if "grandchild" in process.command:
        return "grandchild"
    return {"guard": "child", "child": "grandchild", "grandchild": "grandchild"}.get(
        parent, "child"
    )
