"""The real program as a process of its own, on a free port and a data folder of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from replayed_tool import ReplayedTool

from outlast.client import Client

HERE = Path(__file__).parent


class RealServer:
    """`outlast serve`. It keeps its port and its data when it is stopped and started again."""

    def __init__(self, folder):
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = None

    def start(self):
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("OUTLAST_")
        }
        environment["PYTHONPATH"] = str(HERE)
        arguments = ["serve", "--port", str(self.port), "--data", str(self.data), "--json"]
        arguments += ["--kinds", "client_kinds", "--workers", "4"]
        settings = self.data.parent / "settings.toml"
        # A server that is restarted gives its attempts back rather than see them out.
        settings.write_text("[recovery]\ndrain_seconds = 0.2\n" + self._infrastructure())
        arguments += ["--settings", str(settings)]
        # Where tests run, a sandbox cannot always be had; what it keeps is tested elsewhere.
        arguments += ["--allow-unsandboxed"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "outlast", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        line = self._process.stdout.readline()
        assert line, self.log.read_text()
        self.started = json.loads(line)
        assert self.started["url"] == self.url
        return self

    def _infrastructure(self):
        """A module, and a program that says of it what Terraform has said of another."""
        folder = self.data.parent / "infrastructure"
        folder.mkdir(exist_ok=True)
        variables = {"nodes": {"default": 2}, "password": {"default": "", "sensitive": True}}
        (folder / "main.tf.json").write_text(json.dumps({"variable": variables}))
        program = ReplayedTool(folder).program
        return f'[infrastructure]\nprogram = "{program}"\n[modules.web]\npath = "{folder}"\n'

    def stop(self, number=signal.SIGTERM):
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    @property
    def token(self):
        return Path(self.started["token_file"]).read_text().strip()

    def client(self, **options):
        return Client(self.url, self.token, **options)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
