"""Which instance types are asked for."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec

from outlast.kinds.instance_types.published import InstanceType


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an instance type must have; None: whatever it has. `name` may have * and ?."""

    name: str | None = None
    family: str | None = None
    group: str | None = None
    architecture: str | None = None
    vcpus_min: int | None = None
    vcpus_max: int | None = None
    memory_mib_min: int | None = None
    memory_mib_max: int | None = None
    gpus_min: int | None = None
    gpus_max: int | None = None

    def wants(self, one: InstanceType) -> bool:
        """Whether it is one of those."""
        texts = (
            (self.family, one.family),
            (self.group, one.group),
            (self.architecture, one.architecture),
        )
        ranges = (
            (self.vcpus_min, one.vcpus, self.vcpus_max),
            (self.memory_mib_min, one.memory_mib, self.memory_mib_max),
            (self.gpus_min, one.gpus, self.gpus_max),
        )
        return (
            (self.name is None or fnmatchcase(one.name, self.name))
            and all(wanted in (None, found) for wanted, found in texts)
            and all(
                (least is None or least <= found) and (most is None or found <= most)
                for least, found, most in ranges
            )
        )


def select(types: Iterable[InstanceType], wanted: Wanted) -> list[InstanceType]:
    """Those that are wanted, the smallest first."""
    found = [one for one in types if wanted.wants(one)]
    return sorted(found, key=lambda one: (one.vcpus, one.memory_mib, one.gpus, one.name))
