"""A double of the STS of AWS: it answers in its form, and takes one access key."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

GOOD_KEY = "AKIAGOOD"
_KNOWN = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>arn:aws:iam::123456789012:user/ada</Arn>
    <UserId>AIDA1</UserId>
    <Account>123456789012</Account>
  </GetCallerIdentityResult>
</GetCallerIdentityResponse>"""
_UNKNOWN = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>
  <Message>The security token included in the request is invalid.</Message></Error>
</ErrorResponse>"""


class StsServer:
    """Answers at `url` until it is stopped. `answers` are others for the next calls."""

    def __init__(self):
        self.answers: list[tuple[int, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.sts = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    form: ClassVar = re.compile(
        r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/[a-z0-9-]+/sts/aws4_request,"
        r" SignedHeaders=content-type;host;x-amz-date, Signature=[0-9a-f]{64}"
    )

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = self.form.fullmatch(self.headers["authorization"])
        assert body == b"Action=GetCallerIdentity&Version=2011-06-15"
        if self.server.sts.answers:
            status, text = self.server.sts.answers.pop(0)
        elif signed and signed[1] == GOOD_KEY:
            status, text = 200, _KNOWN
        else:
            status, text = 403, _UNKNOWN
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        """What is logged would stand between the tests."""
