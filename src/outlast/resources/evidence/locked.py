"""All that is asked of a locked child about evidence: the bytes are somebody else's."""

from pathlib import Path
from typing import Any

import msgspec

from outlast.resources.evidence import calls
from outlast.resources.evidence.model import PROBLEMS_KEPT
from outlast.resources.evidence.recognition import BadEvidence, recognise


def look(arguments: bytes, workdir: Path) -> dict[str, Any]:
    """{"seen"}, as Seen is, or {"message", "details"} of bytes that cannot be read."""
    call = msgspec.json.decode(arguments, type=calls.LookArguments)
    try:
        found = recognise((workdir / calls.CONTENT).read_bytes(), name=call.name)
    except BadEvidence as error:
        return {"message": error.message, "details": error.details}
    return {
        "seen": {
            "type": found.type,
            "version": found.version,
            "wrappers": list(found.wrappers),
            "problems": msgspec.to_builtins(found.problems[:PROBLEMS_KEPT]),
            "problems_total": len(found.problems),
        }
    }
