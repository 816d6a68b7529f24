"""Keeping the state of a stack, sealed, while the tool changes it.

What a tool has made and nobody has written down is lost: the next attempt would make it again. So
the state is stored as soon as the tool has written it, in an object of this attempt's own, and the
next attempt begins with the newest one there is, however this one ended.
"""

import asyncio
import contextlib
import hashlib
import threading
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from outlast.kinds.infrastructure import remains
from outlast.kinds.infrastructure.plan import STATE_KEYS, InfrastructurePlan
from outlast.kinds.infrastructure.workspace import Workspace
from outlast.operations.errors import Fatal, OutlastError, SecretMissing
from outlast.operations.kind import Context
from outlast.resources.stacks import states
from outlast.resources.stacks.states import KeptState, StateSummary

_LOOK_SECONDS: Final = 0.05
_PAUSE_SHARE: Final = 1.0
_PAUSE_SECONDS_MAX: Final = 1.0
_TOUCH_SECONDS: Final = 3600.0
_LAST_TRIES: Final = 10
_FILE: Final = "sealed-state"


class StateKeeper:
    """The state of one stack during an attempt."""

    def __init__(self, plan: InfrastructurePlan, context: Context, workspace: Workspace) -> None:
        self.summary = StateSummary()
        self.secret_variables: Mapping[str, Any] = {}
        self.name = ""
        self.was_empty = True
        self._plan = plan
        self._context = context
        self._workspace = workspace
        self._stored = b""
        self._storing = threading.Lock()
        self._newest: str | None = None

    @property
    def is_stored(self) -> bool:
        """Whether nothing that the tool has written is here alone."""
        return not self.name or self._read()[1] in {None, self._stored}

    def load(self) -> bytes | None:
        """The newest state, with the secret variables that are kept with it. Raises Fatal."""
        if not self._plan.stack:
            return None
        files, plan = self._context.files, self._plan
        self._newest = states.newest_state(files.list())
        if (plan.state or "") > (self._newest or ""):
            raise Fatal("state_missing", "the state of the stack is gone from the object store")
        if self._newest is None:
            return None
        sealed = self._context.workdir / _FILE
        if not files.get(self._newest, sealed):
            raise Fatal("state_missing", "the state of the stack is gone from the object store")
        try:
            keys = self._context.secrets[STATE_KEYS]
            kept = states.open_state(keys, sealed.read_bytes(), self._newest)
        except SecretMissing as error:
            raise Fatal("state_unreadable", f"the stack's state: {error.message}") from error
        finally:
            sealed.unlink()
        self.secret_variables = kept.secret_variables
        state = None if kept.state == states.NO_STATE else bytes(kept.state)
        workdir = self._context.workdir
        state = remains.find_newer(workdir, plan.stack, self._newest, state) or state
        if state is not None:
            self.was_empty, self.summary = False, states.read_state(state)
        return state

    def claim(self) -> Path:
        """Take a name for the state that sorts behind all others; where the tool is to write it."""
        context = self._context
        self.name = states.next_state(self._newest, context.operation_id, context.attempt)
        return remains.state_file(context.workdir, self._plan.stack, self.name)

    def begin(self, state: bytes | None, secret_variables: Mapping[str, Any]) -> None:
        """Store the state that the tool begins with under the name that was claimed.

        From now on it is the newest: what a lost attempt may still store sorts before it.
        """
        self.secret_variables = secret_variables
        self._put(state)
        self._stored = self._read()[1] or b""
        remains.remove(self._context.workdir, self._plan.stack, but=self.name)

    @contextlib.asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Store the state whenever the tool has written it, and once more when it has ended.

        Raises what hinders the last time.
        """
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            await asyncio.to_thread(self._store_last)

    async def _watch(self) -> None:
        seen, touched_at = None, time.monotonic()
        while True:
            if time.monotonic() - touched_at > _TOUCH_SECONDS:
                # Nobody may take it for what a killed attempt left, however long nothing changes.
                self._workspace.state.parent.touch()
                touched_at = time.monotonic()
            now, pause = self._look(), _LOOK_SECONDS
            if now != seen:
                began = time.monotonic()
                try:
                    stored = await asyncio.to_thread(self._store)
                except (OutlastError, OSError) as error:
                    # The next look tries again, and the last one insists.
                    self._context.log(f"the state waits to be stored: {error}")
                    stored, pause = False, _PAUSE_SECONDS_MAX
                seen = now if stored else seen
                took = (time.monotonic() - began) * _PAUSE_SHARE
                pause = min(max(pause, took), _PAUSE_SECONDS_MAX)
            await asyncio.sleep(pause)

    def _store_last(self) -> None:
        for left in reversed(range(_LAST_TRIES)):
            try:
                self._store()
            except (OutlastError, OSError):
                if not left:
                    raise
                time.sleep(_PAUSE_SECONDS_MAX)
            else:
                return

    def _look(self) -> tuple[int, int] | None:
        """When the tool has written last, and how much."""
        try:
            stat = self._workspace.state.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size

    def _store(self) -> bool:
        """Store what the tool has written; False if that is not whole (yet)."""
        # A cancel does not end the thread of the last look: an older state must not come after.
        with self._storing:
            state, digest = self._read()
            if state is None or digest is None or digest == self._stored:
                return True
            try:
                summary = states.read_state(state)
            except msgspec.DecodeError:
                return False
            self._put(state)
            self.summary, self._stored = summary, digest
            return True

    def _read(self) -> tuple[bytes, bytes] | tuple[None, None]:
        """What the tool has written, and its digest."""
        try:
            state = self._workspace.state.read_bytes()
        except FileNotFoundError:
            return None, None
        return state, hashlib.sha256(state).digest()

    def _put(self, state: bytes | None) -> None:
        kept = KeptState(
            state=states.NO_STATE if state is None else msgspec.Raw(state),
            secret_variables=self.secret_variables,
        )
        sealed = self._context.workdir / _FILE
        keys = self._context.secrets[STATE_KEYS]
        sealed.write_bytes(states.seal_state(keys, kept, self.name))
        self._context.files.put(self.name, sealed)
