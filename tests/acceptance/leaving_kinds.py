"""A kind that collects lines in parts, and leaves what it has when it is stopped."""

import time
from typing import Any

from outlast.operations.kind import Context, Finish, Kind
from outlast.resources.files import NewFile


def published(checkpoint: dict[str, Any], *, is_partial: bool) -> NewFile:
    return NewFile(
        purpose="lines",
        name="lines.txt",
        files=tuple(checkpoint["files"]),
        is_from_operation=True,
        is_partial=is_partial,
    )


def collect(plan: dict[str, int], context: Context) -> Finish:
    files = list((context.last_checkpoint or {"files": []})["files"])
    assert list(context.files.list()) == files
    while len(files) < plan["parts"]:
        name = f"part-{len(files):03}"
        (context.workdir / name).write_text(f"{context.operation_id}\n")
        context.files.put(name, context.workdir / name)
        files.append(name)
        context.checkpoint({"files": files})
        context.report(len(files), plan["parts"])
        # The first one goes no further than this: somebody has to cancel it.
        while len(files) == 2 and context.last_checkpoint is None:
            if context.cancelled:
                raise InterruptedError
            time.sleep(0.01)
    return Finish(result=len(files), writes=[published({"files": files}, is_partial=False)])


kinds = [
    Kind(
        "collect",
        spec=dict[str, int],
        result=int,
        run=collect,
        partial=lambda checkpoint: [published(checkpoint, is_partial=True)],
    )
]
