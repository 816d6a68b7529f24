"""A Terraform provider with real things of this machine, run in an environment of its own.

    workshop_folder    a folder and the text files in it
    workshop_database  a SQLite file with tables
    workshop_process   a process that runs until it is destroyed, on a process host
    workshop_slow      a file that takes seconds to make, and fails while another file is there

Every change is a line in the journal, where the provider has one: `create TYPE NAME`.
"""

import json
import os
import shutil
import socket
import sqlite3
import sys
import threading
from pathlib import Path

from tf import runner
from tf.iface import Provider, Resource
from tf.schema import Attribute, Schema
from tf.types import List, Map, Number, String

STOPPING = threading.Event()


class Refused(Exception):
    """What Terraform is told: the resource could not be made."""


class Thing(Resource):
    """A resource that is a file, a folder or a process: reading it looks at the real thing."""

    name: str
    attributes: tuple[Attribute, ...]

    def __init__(self, provider):
        self.provider = provider

    @classmethod
    def get_name(cls):
        return cls.name

    @classmethod
    def get_schema(cls):
        return Schema(version=1, attributes=list(cls.attributes))

    def create(self, ctx, planned):
        return self._change(ctx, "create", planned, lambda: self.make(planned))

    def update(self, ctx, current, planned):
        return self._change(ctx, "update", planned, lambda: self.alter(current, planned))

    def delete(self, ctx, current):
        self._change(ctx, "delete", current, lambda: self.remove(current))

    def read(self, ctx, current):
        return self.look(current)

    def upgrade(self, ctx, version, old):
        return old

    def _change(self, ctx, verb, state, change):
        try:
            made = change()
        except (OSError, sqlite3.Error, Refused) as error:
            ctx.diagnostics.add_error(f"{self.name} {self.label(state)}: {error}")
            return None
        self.provider.write_down(f"{verb} {self.name} {self.label(state)}")
        return made

    def label(self, state):
        return state.get("name") or state["path"]


class Folder(Thing):
    name = "folder"
    attributes = (
        Attribute("path", String(), required=True, requires_replace=True),
        Attribute("files", Map(String()), optional=True),
    )

    def make(self, planned):
        Path(planned["path"]).mkdir(parents=True)
        return self.alter({}, planned)

    def alter(self, current, planned):
        folder = Path(planned["path"])
        wanted = planned["files"] or {}
        for name in (current.get("files") or {}).keys() - wanted.keys():
            (folder / name).unlink(missing_ok=True)
        for name, text in wanted.items():
            (folder / name).write_text(text)
        return planned

    def remove(self, current):
        shutil.rmtree(current["path"])

    def look(self, current):
        folder = Path(current["path"])
        if not folder.is_dir():
            return None
        if current["files"] is None:
            return current
        there = [name for name in current["files"] if (folder / name).exists()]
        return current | {"files": {name: (folder / name).read_text() for name in there}}


class Database(Thing):
    name = "database"
    attributes = (
        Attribute("path", String(), required=True, requires_replace=True),
        Attribute("tables", List(String()), required=True),
    )

    def make(self, planned):
        if Path(planned["path"]).exists():
            raise Refused("the file is there already")
        return self.alter({"tables": []}, planned)

    def alter(self, current, planned):
        had, wanted = set(current["tables"]), set(planned["tables"])
        with sqlite3.connect(planned["path"]) as database:
            for table in sorted(had - wanted):
                database.execute(f'drop table "{table}"')
            for table in sorted(wanted - had):
                database.execute(f'create table "{table}" (id integer primary key, note text)')
        database.close()
        return planned

    def remove(self, current):
        Path(current["path"]).unlink()

    def look(self, current):
        if not Path(current["path"]).exists():
            return None
        database = sqlite3.connect(current["path"])
        found = {name for (name,) in database.execute("select name from sqlite_schema")}
        database.close()
        kept = [name for name in current["tables"] if name in found]
        return current | {"tables": kept + sorted(found - set(kept))}


class Process(Thing):
    """Started by the process host: what a provider starts itself ends with the attempt."""

    name = "process"
    attributes = (
        Attribute("name", String(), required=True, requires_replace=True),
        Attribute("command", List(String()), required=True, requires_replace=True),
        Attribute("pid", Number(), computed=True),
    )

    def make(self, planned):
        told = self.provider.ask_host({"start": planned["name"], "command": planned["command"]})
        return planned | {"pid": told["pid"]}

    def alter(self, current, planned):
        return planned | {"pid": current["pid"]}

    def remove(self, current):
        self.provider.ask_host({"stop": current["name"]})

    def look(self, current):
        running = self.provider.ask_host({"list": True})["running"]
        pid = running.get(current["name"])
        return None if pid is None else current | {"pid": pid}


class Slow(Thing):
    name = "slow"
    attributes = (
        Attribute("path", String(), required=True, requires_replace=True),
        Attribute("seconds", Number(), optional=True),
        Attribute("destroy_seconds", Number(), optional=True),
        Attribute("fails_while", String(), optional=True),
        Attribute("content", String(), optional=True),
        Attribute("secret", String(), optional=True, sensitive=True),
    )

    def make(self, planned):
        path = Path(planned["path"])
        if path.exists():
            raise Refused("the file is there already")
        return self.alter({}, planned)

    def alter(self, current, planned):
        wait(planned["seconds"])
        if planned["fails_while"] and Path(planned["fails_while"]).exists():
            raise Refused("told to fail")
        Path(planned["path"]).write_text(planned["content"] or "")
        return planned

    def remove(self, current):
        wait(current["destroy_seconds"])
        Path(current["path"]).unlink()

    def look(self, current):
        path = Path(current["path"])
        if not path.exists():
            return None
        found = path.read_text()
        return current if found == (current["content"] or "") else current | {"content": found}


class Workshop(Provider):
    """What the resources share: the journal, and the way to the process host."""

    def __init__(self):
        self._journal = self._host = None

    def get_model_prefix(self):
        return "workshop_"

    def full_name(self):
        return "example.test/outlast/workshop"

    def get_provider_schema(self, diags):
        return Schema(
            version=1,
            attributes=[
                Attribute("journal", String(), optional=True),
                Attribute("process_host", String(), optional=True),
            ],
        )

    def validate_config(self, diags, config):
        """Nothing can be wrong with it."""

    def configure_provider(self, diags, config):
        self._journal, self._host = config["journal"], config["process_host"]

    def get_data_sources(self):
        return []

    def get_resources(self):
        return [Folder, Database, Process, Slow]

    def write_down(self, line):
        if self._journal:
            with Path(self._journal).open("a") as journal:
                journal.write(line + "\n")

    def ask_host(self, question):
        if not self._host:
            raise Refused("the provider has no process_host")
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(self._host)
            line.sendall(json.dumps(question).encode() + b"\n")
            told = json.loads(line.makefile().readline())
        if "error" in told:
            raise Refused(told["error"])
        return told


def wait(seconds):
    """Raises Refused where Terraform tells the provider to stop meanwhile."""
    if STOPPING.wait(float(seconds or 0)):  # what no float holds exactly comes as a text
        raise Refused("interrupted")


class UntilShutdown(runner._ShutdownInterceptor):
    """A stop request ends what is waiting; the library's own would cut the answers off as well."""

    def intercept_service(self, continuation, handler_call_details):
        if handler_call_details.method.endswith("/StopProvider"):
            STOPPING.set()
            return continuation(handler_call_details)
        return super().intercept_service(continuation, handler_call_details)


if __name__ == "__main__":
    os.environ["HOME"] = sys.prefix  # the library keeps its certificate there
    runner._ShutdownInterceptor = UntilShutdown
    runner.run_provider(Workshop())
