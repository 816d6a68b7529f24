"""An emulation of AWS that others wrote (moto), in an environment of its own, on the loopback.

It checks signatures with AWS's own library once a user is made: the rights that it has are told by
the policies that it was given. What it knows of instance types is what was packaged here.
"""

import re

import httpx
from background import Background, free_port
from own_environment import ROOT, own_python

REQUIREMENTS = ROOT / "tests" / "heavy" / "aws" / "requirements.txt"
_SETUP_CALLS = 3
_POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


class AwsServer:
    """Answers at `url` with a user `ada`, whose keys are `keys`, until it is stopped."""

    def __init__(self, folder):
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        python = own_python("aws", REQUIREMENTS)
        self._process = Background(
            [python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            folder / "aws.log",
            environment={
                "INITIAL_NO_AUTH_ACTION_COUNT": str(_SETUP_CALLS),
                "PATH": "/usr/bin:/bin",
            },
        )
        self._process.until(self._answers, 60)
        self._ask("CreateUser", UserName="ada")
        self._ask("PutUserPolicy", UserName="ada", PolicyName="all", PolicyDocument=_POLICY)
        made = self._ask("CreateAccessKey", UserName="ada")
        self.keys = {
            "access_key": re.search("<AccessKeyId>(.*?)</AccessKeyId>", made)[1],
            "secret_key": re.search("<SecretAccessKey>(.*?)</SecretAccessKey>", made)[1],
        }

    def stop(self):
        self._process.end(grace_seconds=5)

    def _answers(self):
        try:
            return httpx.get(f"{self.url}/moto-api/data.json", timeout=30).is_success
        except httpx.TransportError:
            return False

    def _ask(self, action, **form):
        credential = "Credential=none/20260101/us-east-1/iam/aws4_request"
        answer = httpx.post(
            self.url,
            data={"Action": action, "Version": "2010-05-08", **form},
            headers={"Authorization": f"AWS4-HMAC-SHA256 {credential}"},
            timeout=30,
        )
        answer.raise_for_status()
        return answer.text
