"""What Ray is asked for so that an attempt gets what its kind declares."""

from collections.abc import Mapping
from typing import Any

from outlast.operations.kind import Resources


def placement_of(resources: Resources) -> dict[str, Any]:
    """The options of the actor that holds an attempt's place. Ray itself never runs it again."""
    options: dict[str, Any] = {
        "num_cpus": resources.cpus,
        "num_gpus": resources.gpus,
        "resources": dict(resources.custom),
        "max_restarts": 0,
        "max_task_retries": 0,
    }
    if resources.memory_bytes is not None:
        options["memory"] = resources.memory_bytes
    return options


def describe(resources: Resources) -> str:
    """What an attempt waits for, in words."""
    wanted: Mapping[str, float] = {
        "CPU": resources.cpus,
        "GPU": resources.gpus,
        **resources.custom,
    }
    parts = [f"{amount:g} {name}" for name, amount in wanted.items() if amount]
    if resources.memory_bytes is not None:
        parts.append(f"{resources.memory_bytes / 2**20:.0f} MiB of memory")
    return ", ".join(parts) or "a place"
