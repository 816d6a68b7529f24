"""Serving one model folder on this machine, in a process of its own that dies with its parent.

    async with start_local_server(folder, name="tiny") as server:
        AsyncOpenAI(base_url=server.base_url, api_key=server.key)

It needs the extra `finetuning`. The key goes over a pipe: neither the command nor the environment
of the process shows it. Nobody else's requests are served.
"""

import asyncio
import importlib.util
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from outlast.operations.errors import Unavailable

_SERVING: Final = ("torch", "transformers", "peft")
_TRAINING: Final = (*_SERVING, "trl", "datasets")
NOT_INSTALLED: Final = "local models need the extra `finetuning`: pip install 'outlast[finetuning]'"

ADAPTER_CONFIG: Final = "adapter_config.json"

_MODULE: Final = "outlast.inference.local_server"
_READY_SECONDS_MAX: Final = 600
_LEAVE_SECONDS: Final = 5
_LINE_BYTES_MAX: Final = 64 * 1024
_BOOTSTRAP: Final = f"""\
import sys
sys.path += [entry for entry in sys.argv[1:] if entry not in sys.path]
from {_MODULE} import main
main()
"""


class LocalModelOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told, on its standard input: what to serve, and for whom.

    `folder` holds a whole model, `adapter` a LoRA adapter of it. `waiting_max` requests may wait
    while another generates.
    """

    folder: str
    name: str
    key: str
    adapter: str | None = None
    tokens_max: int = 4096
    waiting_max: int = 64


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What the process answers, on its standard output: its port, or why it cannot serve."""

    port: int = 0
    error: str | None = None


class LocalServer(msgspec.Struct, frozen=True, kw_only=True):
    """A local model that answers: an OpenAI-compatible endpoint, its key and the model's name."""

    base_url: str
    key: str
    name: str


def is_installed() -> bool:
    """Whether a local model can be served here. Imports nothing."""
    return all(importlib.util.find_spec(name) is not None for name in _SERVING)


def can_train() -> bool:
    """Whether a local model can be trained here. Imports nothing."""
    return all(importlib.util.find_spec(name) is not None for name in _TRAINING)


def holds_model(folder: Path) -> bool:
    """Whether a folder looks like one that transformers saved."""
    return (folder / "config.json").is_file()


@asynccontextmanager
async def start_local_server(
    folder: Path,
    *,
    name: str,
    tuned: Path | None = None,
    tokens_max: int = 4096,
    waiting_max: int = 64,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[LocalServer]:
    """Serve a model folder until the context ends. Raises Unavailable, saying why it cannot.

    `tuned` holds the files of a model that was fine-tuned from it: an adapter, or a whole model.
    Entering takes as long as the model takes to load. `environment` is all that the process sees
    of this one's, such as CUDA_VISIBLE_DEVICES.
    """
    if not is_installed():
        raise Unavailable(NOT_INSTALLED)
    if not await asyncio.to_thread(holds_model, folder):
        raise Unavailable(f"model {name!r} cannot be served: its folder holds no model")
    is_adapter = tuned is not None and (tuned / ADAPTER_CONFIG).exists()
    order = LocalModelOrder(
        folder=str(folder if tuned is None or is_adapter else tuned),
        name=name,
        key=secrets.token_urlsafe(32),
        adapter=str(tuned) if is_adapter else None,
        tokens_max=tokens_max,
        waiting_max=waiting_max,
    )
    with tempfile.TemporaryDirectory(prefix="outlast-model-", ignore_cleanup_errors=True) as home:
        process = await _spawn(home, environment or {})
        try:
            port = await _hand_over(process, order)
            yield LocalServer(base_url=f"http://127.0.0.1:{port}/v1", key=order.key, name=name)
        finally:
            await _end(process)


async def _spawn(home: str, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    own = {
        "HOME": home,
        "TMPDIR": home,
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # Threads that wait leave the core to others: it is not the only process here.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", _BOOTSTRAP, *map(_absolute, sys.path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=dict(environment) | own,
        limit=_LINE_BYTES_MAX,
    )


def _absolute(entry: str) -> str:
    return str(Path(entry).absolute())


async def _hand_over(process: asyncio.subprocess.Process, order: LocalModelOrder) -> int:
    if process.stdin is None or process.stdout is None:
        raise Unavailable("a local model's process has no pipes")
    with suppress(ConnectionError):
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        await process.stdin.drain()
    try:
        async with asyncio.timeout(_READY_SECONDS_MAX):
            line = await process.stdout.readline()
    except TimeoutError as error:
        message = f"model {order.name!r} was not loaded within {_READY_SECONDS_MAX} s"
        raise Unavailable(message) from error
    try:
        started = msgspec.json.decode(line, type=Started)
    except msgspec.DecodeError as error:
        raise Unavailable(f"the process of model {order.name!r} ended while loading it") from error
    if started.error is not None:
        raise Unavailable(f"model {order.name!r} cannot be served: {started.error}")
    return started.port


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        # It leaves when its input ends.
        process.stdin.close()
    try:
        async with asyncio.timeout(_LEAVE_SECONDS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
