"""All that is asked of a locked child about policies: they are somebody else's programs."""

from pathlib import Path
from typing import Any

import msgspec

from outlast.resources.policies.calls import CheckArguments, Checked
from outlast.resources.policies.evaluating import check as check_texts
from outlast.resources.policies.evaluating import try_out


def check(arguments: bytes, workdir: Path) -> Any:
    """Check the texts of a policy, then its tests; answers Checked."""
    _ = workdir
    call = msgspec.json.decode(arguments, type=CheckArguments)
    error = check_texts(call.policy, seconds=call.seconds)
    if error is not None:
        return msgspec.to_builtins(Checked(error=error))
    failures: dict[str, str] = {}
    for number, test in enumerate(call.policy.tests):
        came = try_out(call.policy, test, seconds=call.seconds)
        if came is not None:
            failures[test.name or f"tests[{number}]"] = came
    return msgspec.to_builtins(Checked(failures=failures))
