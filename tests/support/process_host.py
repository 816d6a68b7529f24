"""A host of processes for the provider in `terraform_provider`: started and stopped over a socket.

What a provider starts itself belongs to the attempt and ends with it. These are this host's, as a
machine in a cloud is the cloud's, and end with it.
"""

import json
import socketserver
import subprocess
import threading
from pathlib import Path

PROCESSES_MAX = 50


class ProcessHost(socketserver.ThreadingUnixStreamServer):
    """Runs processes by name for whoever asks at `address`, until it is stopped."""

    daemon_threads = True

    def __init__(self, folder):
        self.address = str(Path(folder) / "host.sock")
        self._running, self._lock = {}, threading.Lock()
        super().__init__(self.address, Question)

    def start(self):
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()
        return self

    def stop(self):
        self.shutdown()
        self.server_close()
        for name in list(self._running):
            self.end(name)

    def running(self):
        """The ids of the processes by their names."""
        with self._lock:
            return {name: one.pid for name, one in self._running.items() if one.poll() is None}

    def begin(self, name, command):
        running = self.running()
        if name in running:
            return {"error": f"{name} runs already"}
        if len(running) == PROCESSES_MAX:
            return {"error": f"{PROCESSES_MAX} processes run already"}
        with self._lock:
            self._running[name] = subprocess.Popen(command, start_new_session=True)
            return {"pid": self._running[name].pid}

    def end(self, name):
        with self._lock:
            process = self._running.pop(name, None)
        if process is not None:
            process.kill()
            process.wait(10)
        return {}


class Question(socketserver.StreamRequestHandler):
    def handle(self):
        match json.loads(self.rfile.readline()):
            case {"start": name, "command": command}:
                told = self.server.begin(name, command)
            case {"stop": name}:
                told = self.server.end(name)
            case _:
                told = {"running": self.server.running()}
        self.wfile.write(json.dumps(told).encode() + b"\n")
