"""What an installation is made of, when it is moved."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from outlast.datafolder import DataFolder
from outlast.resources.keyring import Keyring
from outlast.resources.objects import ObjectStore
from outlast.store.transfer import Transfer

Report: TypeAlias = Callable[[str, int, int | None], None]
"""Called with what is being moved, how much of it is done, and how much there is if known."""


@dataclass(frozen=True)
class Installation:
    """An installation that nobody serves. `objects_place` says where its bytes are: a URL.

    `objects_place` None: its data folder. `keyring` None: nothing was ever sealed there.
    """

    folder: DataFolder
    store: Transfer
    objects: ObjectStore
    objects_place: str | None
    keyring: Keyring | None


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """How much was moved: rows of each table, and objects."""

    rows: dict[str, int]
    objects: int
    object_bytes: int
