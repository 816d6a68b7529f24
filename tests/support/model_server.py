"""`outlast serve` as a process of its own, with the double as its only backend."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import openai

KEY = "key-that-is-never-shown"


class ModelServer:
    """The server. It keeps its port and its data when it is stopped and started again."""

    def __init__(self, folder, double, *, concurrency=4, models="double", more=""):
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.port = free_port()
        self.settings = folder / "settings.toml"
        self.settings.write_text(
            "[recovery]\ndrain_seconds = 0.2\nlease_seconds = 2\nrenew_seconds = 0.3\n"
            "reap_seconds = 0.1\n"
            f'[backends.double]\nurl = "{double.url}"\nmodels = ["{models}"]\n'
            f'api_key_variable = "DOUBLE_KEY"\nconcurrency = {concurrency}\n{more}'
        )
        self.process = None

    def start(self):
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("OUTLAST_")
        }
        environment["DOUBLE_KEY"] = KEY
        arguments = ["serve", "--port", str(self.port), "--data", str(self.data), "--json"]
        # Where tests run, a sandbox cannot always be had; what it keeps is tested elsewhere.
        arguments += ["--settings", str(self.settings), "--allow-unsandboxed"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "outlast", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.started = json.loads(line)
        return self

    def stop(self, number=signal.SIGTERM):
        process, self.process = self.process, None
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

    def client(self):
        """The official client, at the dialect's door."""
        return openai.OpenAI(
            base_url=f"http://127.0.0.1:{self.port}/nebius/v1", api_key=self.token, max_retries=0
        )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
