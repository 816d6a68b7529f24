"""What all attempts of a worker share, and the ports of what it does not know the inside of."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import msgspec

from outlast.engine.preparing import Preparer
from outlast.executors.port import Executor
from outlast.operations.kind import CatalogWrite, Kind
from outlast.operations.model import Operation
from outlast.resources.publication import Publication
from outlast.settings import Limits, Recovery, Sharing
from outlast.store.port import Store
from outlast.worker.sink import AttemptFiles


class Publisher(Protocol):
    """Turns what a handler wants to publish into catalog writes, after its attempt has ended."""

    async def publish(self, publication: Publication) -> Sequence[CatalogWrite]:
        """The writes. Called again when they lost a race, until it raises OutlastError itself."""


class Stager(Protocol):
    """Brings objects of the object store to this machine."""

    async def stage(
        self,
        inputs: Mapping[str, str],
        exports: Mapping[str, Sequence[str]],
        stack: AsyncExitStack,
    ) -> Mapping[str, Path]:
        """Local, readable files for what a Prepared names; `stack` lets go. Raises OutlastError."""


class SecretSource(Protocol):
    """Knows the secrets that references stand for."""

    async def resolve(
        self, operation: Operation, references: Mapping[str, str]
    ) -> Mapping[str, str]:
        """The secrets by the same names, for an attempt of the operation. Raises SecretMissing."""


class PartialSource(Protocol):
    """Asks kinds what their operations leave without success."""

    async def partial(self, kind: Kind, checkpoint: bytes) -> Sequence[bytes]:
        """The encoded publications that the kind makes of a checkpoint. Raises anything."""


class Equipment(msgspec.Struct, frozen=True, kw_only=True):
    """What all attempts of a worker share. `modules` says which module has which kind.

    `sharing` gives the rules that hold at present, by the ids of tenants.
    """

    store: Store
    kinds: Mapping[str, Kind]
    modules: Mapping[str, str]
    executors: Mapping[str, Executor]
    preparer: Preparer
    partials: PartialSource
    publishers: Mapping[str, Publisher]
    stager: Stager | None
    files: AttemptFiles | None
    secrets: SecretSource | None = None
    limits: Limits
    recovery: Recovery
    sharing: Callable[[], Sharing] = Sharing
