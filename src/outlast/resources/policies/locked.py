"""All that is asked of a locked child about policies: they are somebody else's programs.

Nothing that it imports may load pyarrow or DuckDB: an engine dies in a process that has them.
"""

from pathlib import Path
from typing import Any

import msgspec

from outlast.resources.policies import calls
from outlast.resources.policies.calls import CheckArguments, Checked
from outlast.resources.policies.evaluating import check as check_texts
from outlast.resources.policies.evaluating import try_out
from outlast.resources.policies.forks import Say, fork


def check(arguments: bytes, workdir: Path) -> Any:
    """Check the texts of a policy, then its tests; answers Checked."""
    _ = workdir
    call = msgspec.json.decode(arguments, type=CheckArguments)
    forked = fork(lambda say: _check(call, say), memory_bytes=calls.MEMORY_BYTES)
    if not forked.said:
        died = Checked(failures={"tests": f"they cannot be run: {forked.fate}"})
        return msgspec.to_builtins(died)
    return msgspec.to_builtins(msgspec.msgpack.decode(forked.said[0], type=Checked))


def _check(call: CheckArguments, say: Say) -> None:
    error = check_texts(call.policy, seconds=call.seconds)
    failures: dict[str, str] = {}
    for number, test in enumerate(call.policy.tests if error is None else ()):
        came = try_out(call.policy, test, seconds=call.seconds)
        if came is not None:
            failures[test.name or f"tests[{number}]"] = came
    say(msgspec.msgpack.encode(Checked(error=error, failures=failures)))
