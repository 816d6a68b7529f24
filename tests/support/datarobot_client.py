"""The official client of DataRobot, in an environment of its own that is made once."""

import json
import subprocess

from own_environment import ROOT, own_python

FOLDER = ROOT / "tests" / "heavy" / "datarobot"


class ClientError(Exception):
    """What the client raised: the name of its class, and the status that it was sent."""

    def __init__(self, told):
        super().__init__(told["says"])
        self.name, self.status = told["error"], told["status"]


class Client:
    """A process with the client, asked by line."""

    def __init__(self):
        self._process = subprocess.Popen(
            [own_python("datarobot", FOLDER / "requirements.txt"), FOLDER / "client_calls.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self._read()["version"]

    def __call__(self, call, /, **arguments):
        self._process.stdin.write(json.dumps({"call": call, "with": arguments}) + "\n")
        self._process.stdin.flush()
        told = self._read()
        if "error" in told:
            raise ClientError(told)
        return told["result"]

    def close(self):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _read(self):
        line = self._process.stdout.readline()
        assert line, "the client's process has ended"
        return json.loads(line)
