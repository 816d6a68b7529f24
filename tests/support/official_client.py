"""A release of GoodData's official client, in an environment of its own that is made once."""

import json
import os
import subprocess

from own_environment import ROOT, own_python

FOLDER = ROOT / "tests" / "heavy" / "gooddata"


class SdkError(Exception):
    """What the client raised: the name of its class, and the status and body that it was sent."""

    def __init__(self, told):
        super().__init__(told["says"])
        self.name, self.status = told["error"], told["status"]
        self.problem = json.loads(told["body"]) if told["body"] else None


class Sdk:
    """A process with the client, asked by line."""

    def __init__(self, version, url, token):
        environment = {**os.environ, "LAKE_URL": url, "LAKE_TOKEN": token}
        self._process = subprocess.Popen(
            [python_with(version), FOLDER / "sdk_calls.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert self._read() == {"version": version}

    def api(self, call, /, **arguments):
        """A call of the generated client: its result, status and headers."""
        told = self._ask("api", call, arguments)
        headers = {name.lower(): value for name, value in told["headers"].items()}
        return told["result"], told["status"], headers

    def lake(self, call, /, **arguments):
        """A call of the hand-written part of the SDK: its result."""
        return self._ask("lake", call, arguments)["result"]

    def close(self):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _ask(self, on, call, arguments):
        line = json.dumps({"on": on, "call": call, "with": arguments})
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        told = self._read()
        if "error" in told:
            raise SdkError(told)
        return told

    def _read(self):
        line = self._process.stdout.readline()
        assert line, "the client's process has ended"
        return json.loads(line)


def model(name, /, **fields):
    """A model of the generated client, by its name."""
    return {"$model": name, **fields}


def python_with(version):
    """The interpreter of the environment with this release."""
    return own_python(f"gooddata-{version}", FOLDER / f"requirements-{version}.txt")
