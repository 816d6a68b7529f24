"""A real S3 server (SeaweedFS) on the loopback interface, for tests in `tests/heavy`."""

import json
import secrets
import sys
from datetime import timedelta
from pathlib import Path

import obstore
from background import Background, free_port
from obstore.exceptions import BaseError
from obstore.store import S3Store

BUCKET = "outlast"
REGION = "us-east-1"
_ACTIONS = ["Admin", "Read", "Write", "List", "Tagging"]
_PORTS = [
    f"-{part}.port{suffix}"
    for part in ("master", "volume", "filer", "s3")
    for suffix in ("", ".grpc")
]


class S3Server:
    """One server with the bucket `outlast`; a bucket that is written to is made."""

    def __init__(self, folder):
        self._folder = folder
        self.access_key, self.secret_key = secrets.token_hex(8), secrets.token_hex(20)
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.endpoint = f"http://{self.host}"

    def start(self):
        config = self._folder / "identities.json"
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        identity = {"name": "tests", "credentials": [keys], "actions": _ACTIONS}
        config.write_text(json.dumps({"identities": [identity]}))
        ports = [text for name in _PORTS[:-2] for text in (name, free_port())]
        ports += ["-s3.port", self.port, "-s3.port.grpc", free_port()]
        ports += ["-s3.port.iceberg", 0, "-s3.port.lance", 0]
        sockets = [f"-{part}.localSocket={self._folder}/{part}.sock" for part in ("filer", "s3")]
        weed = Path(sys.executable).parent / "weed"
        server = [weed, "-logtostderr", "server", "-dir", self._folder, "-filer", "-s3"]
        server += ["-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-master.telemetry=false"]
        server += ["-s3.config", config, "-s3.iam=false", "-volume.max", 40]
        server += ["-master.volumeSizeLimitMB", 64, *ports, *sockets]
        self._process = Background(server, self._folder / "server.log")
        self._process.until(self._is_ready, 60)
        return self

    def stop(self):
        # It ignores SIGTERM for a quarter of a minute.
        self._process.end()

    def store(self, bucket=BUCKET, **options):
        """An obstore store on a bucket, with the keys of the server."""
        return S3Store(
            bucket,
            endpoint=self.endpoint,
            region=REGION,
            access_key_id=self.access_key,
            secret_access_key=self.secret_key,
            client_options={"allow_http": True},
            **options,
        )

    def _is_ready(self):
        once = {"max_retries": 0, "retry_timeout": timedelta(seconds=5)}
        try:
            obstore.put(self.store(retry_config=once), "is-ready", b"yes")
        except BaseError:
            return False
        return True
