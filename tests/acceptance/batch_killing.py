"""Makes batches, and kills the processes that run them."""

import json
import time
from pathlib import Path

import process_table


def make_batch(client, rows):
    lines = [
        json.dumps(
            {
                "custom_id": f"c{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": "double", "messages": [{"role": "user", "content": f"{number}"}]},
            }
        )
        for number in range(rows)
    ]
    file = client.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )


def until(seen, seconds=30):
    ends_at = time.monotonic() + seconds
    while not (found := seen()):
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.02)
    return found


def child_of(server):
    """The process that runs the batch: the one that stands in its attempt's folder."""
    for process in process_table.descendants(server.process.pid):
        try:
            folder = Path(f"/proc/{process.pid}/cwd").readlink()
        except OSError:
            continue
        if folder.is_relative_to(server.data / "work"):
            return process
    return None


def worker_of(server):
    children = process_table.descendants(server.process.pid)
    return next(child for child in children if child.parent == server.process.pid)


def kill_child(server):
    child = child_of(server)
    assert child is not None
    assert process_table.kill(child)


def kill_worker(server):
    assert process_table.kill(worker_of(server))


def kill_server(server):
    server.process.end()
    server.start()


def completed(client, batch_id, beyond):
    count = client.batches.retrieve(batch_id).request_counts.completed
    return count if count > beyond else None


def ended(client, batch_id):
    batch = client.batches.retrieve(batch_id)
    return batch if batch.status in {"completed", "failed", "cancelled"} else None
