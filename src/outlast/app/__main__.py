"""The server's worker process.

Its settings come as one line of JSON on standard input, and the end of standard input means that
the server is gone.
"""

import asyncio
import sys

from outlast.app.working import run_worker
from outlast.processes import configure_logging, run
from outlast.settings import decode_settings
from outlast.worker.supervisor import show_life


async def main() -> None:
    """Read the settings, then work."""
    show_life(int(sys.argv[1]))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    line = await reader.readline()
    if line:
        await run_worker(decode_settings(line), reader.read)


if __name__ == "__main__":
    configure_logging()
    run(main)
