"""A Ray cluster of several nodes, in a network namespace with nothing but loopback.

Ray looks for the way to a public host when it starts: it must never be started anywhere else.
"""

import fcntl
import os
import signal
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

import pytest
from background import Background
from live_server import LiveServer
from postgres_server import new_database_now

HERE = Path(__file__).parent
RAY_FOLDER = Path("/tmp/ray")
LEASE_SECONDS = 6
SETTINGS = f"""
data_is_shared = true
[recovery]
lease_seconds = {LEASE_SECONDS}
renew_seconds = 1
reap_seconds = 0.5
cancel_grace_seconds = 1
"""
NODES = {
    "one": {"num_cpus": 2, "num_gpus": 2, "resources": {"flock": 3, "gadget": 1}},
    "two": {"num_cpus": 2, "resources": {"flock": 3}},
}

_UP = 1
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914


def up(name, *, make=False):
    """Whether a network interface is up; `make` brings it up."""
    request = struct.pack("16sh14x", name.encode(), 0)
    with socket.socket() as any_socket:
        (flags,) = struct.unpack_from("16xh", fcntl.ioctl(any_socket, _GET_FLAGS, request))
        if make:
            changed = struct.pack("16sh14x", name.encode(), flags | _UP)
            fcntl.ioctl(any_socket, _SET_FLAGS, changed)
    return bool(flags & _UP)


@pytest.fixture(scope="session", autouse=True)
def namespace():
    """Fails where there is more than loopback."""
    others = [name for _, name in socket.if_nameindex() if name != "lo" and up(name)]
    if others:
        pytest.fail(
            "Ray is only started in a network namespace with nothing but loopback, and here is "
            f"{', '.join(others)}: run `unshare --net` as root, as `make test-heavy` does",
            pytrace=False,
        )
    up("lo", make=True)


class RayNodes:
    """The nodes of a cluster, which can be killed and started again."""

    def __init__(self, folder):
        from ray.cluster_utils import Cluster  # noqa: PLC0415  not before the namespace is sure

        head = {"num_cpus": 0, "node_ip_address": "127.0.0.1", "include_dashboard": False}
        # The cluster's own folder is elsewhere, but where it can be found is written down there.
        RAY_FOLDER.mkdir(exist_ok=True)
        self._cluster = Cluster(
            initialize_head=True, head_node_args={**head, "temp_dir": str(folder)}
        )
        self.address = self._cluster.address
        self._nodes = {}
        for name in NODES:
            self.start(name)

    def start(self, name):
        options = {**NODES[name], "node_ip_address": "127.0.0.1"}
        self._nodes[name] = self._cluster.add_node(**options)

    def raylet(self, name):
        [process] = self._nodes[name].all_processes["raylet"]
        return process.process.pid

    def named(self, pids):
        """The name of the node whose raylet is one of some processes."""
        [name] = [name for name in self._nodes if self.raylet(name) in pids]
        return name

    def kill(self, name):
        """Kill a node with all that runs on it, and wait until Ray has buried it."""
        raylet = self.raylet(name)
        doomed = [raylet, *descendants(raylet)]
        for pid in doomed:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    def stop(self):
        self._cluster.shutdown()


def parents():
    """Parent of each process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_bytes()
            except OSError:
                continue
            found[int(entry.name)] = int(stat.rpartition(b")")[2].split()[1])
    return found


def descendants(pid):
    """The processes below a process."""
    above, found, last = parents(), set(), {pid}
    while last:
        last = {one for one, parent in above.items() if parent in last}
        found |= last
    return found


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except FileNotFoundError:
        return False


@pytest.fixture(name="descendants")
def descendants_fixture():
    return descendants


@pytest.fixture(name="alive")
def alive_fixture():
    """Which of some processes are alive."""
    return lambda pids: [pid for pid in pids if is_alive(pid)]


@pytest.fixture(scope="session")
def ray_nodes(namespace):
    """Two nodes with CPUs, and a head without. Short: names of sockets are."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        os.environ["OUTLAST_NODE_FOLDER"] = f"{folder}/node"
        nodes = RayNodes(folder)
        try:
            yield nodes
        finally:
            nodes.stop()


class Installation:
    """A server on PostgreSQL without a worker of its own, and workers on the cluster."""

    def __init__(self, folder, address):
        self._folder = folder
        self._address = address
        self._environment = {
            "OUTLAST_DATABASE": new_database_now(),
            "PYTHONPATH": str(HERE),
        }
        arguments = ["--workers", "0", "--kinds", "ray_kinds"]
        self.server = LiveServer(
            folder, SETTINGS, environment=self._environment, arguments=arguments
        ).start()
        self.workers = []

    def start_worker(self, slots=4, *, is_alone=False, environment=()):
        """A worker on the cluster, or `is_alone` on one of its own."""
        arguments = ["worker", "--json", "--workers", slots, "--kinds", "ray_kinds"]
        arguments += ["--executor", "ray"]
        arguments += [] if is_alone else ["--ray-address", self._address]
        arguments += ["--data", self.server.data, "--settings", self._folder / "settings.toml"]
        worker = Background(
            [sys.executable, "-m", "outlast", *arguments, "--allow-unsandboxed"],
            self._folder / f"worker-{len(self.workers)}.log",
            environment={**os.environ, **self._environment, **dict(environment)},
            stdout_piped=True,
        )
        self.workers.append(worker)
        worker.first_line(60)
        return worker

    def stop(self):
        for worker in self.workers:
            worker.end(grace_seconds=30)
        self.server.stop()


@pytest.fixture(scope="session")
def installation(tmp_path_factory, ray_nodes):
    """A server, and one worker on the cluster."""
    installation = Installation(tmp_path_factory.mktemp("installation"), ray_nodes.address)
    try:
        installation.start_worker()
        yield installation
    finally:
        installation.stop()


@pytest.fixture
def client(installation):
    with installation.server.client() as client:
        yield client


def until(condition, seconds=30):
    """What a condition gives, as soon as it gives something."""
    end = time.monotonic() + seconds
    while not (given := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
    return given


@pytest.fixture(name="until")
def until_fixture():
    return until


def begun(client, handle, attempt=1):
    """What the attempt of that number said when it began."""

    def look():
        said = [event.data for event in client.events(handle.id) if event.type == "begun"]
        return said[attempt - 1] if len(said) >= attempt else None

    return until(look)


@pytest.fixture(name="begun")
def begun_fixture():
    return begun
