"""PgBouncer in transaction mode before a database: few sessions for many connections."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import asyncpg
from background import Background, free_port

SESSIONS = 4
"""How many sessions of the database all clients share."""


class Pooler:
    """A pooler of its own. It refuses to run as root: then it runs as the database does."""

    def __init__(self, database):
        self.database = database
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="outlast-pooler-"))
        self.folder.chmod(0o755)
        self._process = None

    def url(self, name="postgres"):
        """A database behind it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def start(self):
        """Start it, and wait until it answers."""
        users = self.folder / "users"
        users.write_text('"postgres" ""\n')
        settings = self.folder / "pgbouncer.ini"
        settings.write_text(
            "[databases]\n"
            f"* = host=127.0.0.1 port={self.database.port} user=postgres\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\n"
            f"pool_mode = transaction\ndefault_pool_size = {SESSIONS}\nmax_client_conn = 300\n"
            "server_reset_query =\nserver_login_retry = 1\n"
        )
        user = self.database.as_user() if os.geteuid() == 0 else ()
        self._process = Background(
            [*user, program(), settings], self.folder / "log", environment=dict(os.environ)
        )
        self._process.until(self._answers, 20)
        return self

    def stop(self):
        """Stop it without a word to anybody."""
        self._process.end(grace_seconds=0)

    def remove(self):
        """Stop it, and leave nothing."""
        self.stop()
        shutil.rmtree(self.folder)

    async def sessions(self, name):
        """How many sessions the database has for it, but for this look itself."""
        connection = await asyncpg.connect(self.database.url())
        try:
            return await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
                " AND pid <> pg_backend_pid()",
                name,
            )
        finally:
            await connection.close()

    def _answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def program():
    """The pooler's program. As root it is installed if it is missing; otherwise this fails."""
    found = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "--yes", "--no-install-recommends", "pgbouncer"]
        for command in (["apt-get", "update"], install):
            subprocess.run(command, check=True, capture_output=True, timeout=240)
        found = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
    assert found, "this test needs pgbouncer: apt-get install pgbouncer"
    return found
