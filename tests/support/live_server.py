"""`outlast serve` as a process of its own, with settings of its own, for tests."""

import json
import os
import signal
import sys
from pathlib import Path

import httpx
from background import Background, free_port

from outlast.client import Client


class LiveServer:
    """It keeps its port and its data when it is stopped and started again."""

    def __init__(self, folder, settings="", *, environment=(), arguments=()):
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = folder / "settings.toml"
        self._settings.write_text(settings)
        self._environment = dict(environment)
        self._arguments = list(arguments)

    def start(self):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("OUTLAST_")}
        arguments = ["serve", "--port", self.port, "--data", self.data, "--json", "--workers", 2]
        # Where tests run, a sandbox cannot always be had; what it keeps is tested elsewhere.
        arguments += ["--settings", self._settings, "--allow-unsandboxed", *self._arguments]
        self.process = Background(
            [sys.executable, "-m", "outlast", *arguments],
            self.log,
            environment=inherited | self._environment,
            stdout_piped=True,
            last_words=signal.SIGTERM,
        )
        self.started = json.loads(self.process.first_line(60))
        assert self.started["url"] == self.url
        return self

    def stop(self):
        self.process.end(grace_seconds=30)

    @property
    def token(self):
        return Path(self.started["token_file"]).read_text().strip()

    def client(self, **options):
        return Client(self.url, self.token, **options)

    def http(self, path="", **options):
        """A plain HTTP client that sends the first token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.url + path, headers=headers, timeout=60, **options)
