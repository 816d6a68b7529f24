"""Hosts as network namespaces, each with an address of its own on one bridge."""

import ctypes
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_NETWORK = "10.77.0"
_HUB = "hub"


class Network:
    """Hosts and the bridge between them; the machine's own network is not touched."""

    def __init__(self):
        self._prefix = f"ol{os.getpid()}"
        self._hosts = []
        self._threads = {}
        self._make(_HUB)
        self._run("ip", "link", "add", "br0", "type", "bridge", on=_HUB)
        self._run("ip", "link", "set", "br0", "up", on=_HUB)

    def add(self, host):
        """A host; its address."""
        self._make(host)
        address = f"{_NETWORK}.{len(self._hosts)}"
        self._run("ip", "link", "add", host, "type", "veth", "peer", "name", "eth0", on=_HUB)
        self._run("ip", "link", "set", "eth0", "netns", self._name(host), on=_HUB)
        self._run("ip", "link", "set", host, "master", "br0", on=_HUB)
        self._run("ip", "link", "set", host, "up", on=_HUB)
        self._run("ip", "address", "add", f"{address}/24", "dev", "eth0", on=host)
        self._run("ip", "link", "set", "eth0", "up", on=host)
        return address

    def cut(self, host):
        """Drop everything from and to a host. It is not told: its own link stays up."""
        self._run("bridge", "link", "set", "dev", host, "state", "0", on=_HUB)

    def heal(self, host):
        """Let everything pass again."""
        self._run("bridge", "link", "set", "dev", host, "state", "3", on=_HUB)

    def prefix(self, host):
        """What is put before a command to run it on a host."""
        return (shutil.which("ip"), "netns", "exec", self._name(host))

    def call(self, host, function, *arguments, **named):
        """Call a function on a host: the sockets that it opens are there."""
        if host not in self._threads:
            enter = Path("/run/netns", self._name(host))
            self._threads[host] = ThreadPoolExecutor(1, initializer=_enter, initargs=(enter,))
        return self._threads[host].submit(function, *arguments, **named).result()

    def remove(self):
        """Leave nothing."""
        for thread in self._threads.values():
            thread.shutdown()
        for host in self._hosts:
            subprocess.run(["ip", "netns", "delete", self._name(host)], check=False)

    def _make(self, host):
        done = subprocess.run(
            ["ip", "netns", "add", self._name(host)], capture_output=True, text=True, check=False
        )
        assert not done.returncode, f"no network namespace can be made here: {done.stderr}"
        self._hosts.append(host)
        self._run("ip", "link", "set", "lo", "up", on=host)

    def _name(self, host):
        return f"{self._prefix}-{host}"

    def _run(self, *command, on):
        command = ["ip", "netns", "exec", self._name(on), *command]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not done.returncode, f"{' '.join(command)}: {done.stderr}"


def check():
    """Fail with the reason where this cannot work."""
    assert os.geteuid() == 0, "network namespaces need root: run this as root, or in a container"
    missing = [name for name in ("ip", "bridge") if shutil.which(name) is None]
    assert not missing, f"network namespaces need {missing}: apt-get install iproute2"


def _enter(path):
    with path.open() as namespace:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.setns(namespace.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
