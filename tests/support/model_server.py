"""`outlast serve` with the double as its only backend."""

import openai
from live_server import LiveServer

KEY = "key-that-is-never-shown"
_SETTINGS = """
[recovery]
drain_seconds = 0.2
lease_seconds = 2
renew_seconds = 0.3
reap_seconds = 0.1
[backends.double]
url = "{url}"
models = ["double"]
api_key_variable = "DOUBLE_KEY"
concurrency = {concurrency}
"""


class ModelServer(LiveServer):
    """A live server that knows the double and its key."""

    def __init__(self, folder, double, *, concurrency=4):
        settings = _SETTINGS.format(url=double.url, concurrency=concurrency)
        super().__init__(folder, settings, environment={"DOUBLE_KEY": KEY})

    def openai(self):
        """The official client, at the dialect's door."""
        return openai.OpenAI(base_url=f"{self.url}/nebius/v1", api_key=self.token, max_retries=0)
