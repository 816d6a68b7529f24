"""Cancelling many operations at once, with honest counts."""

from collections.abc import Sequence
from typing import Final

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.engine.operations import Engine
from outlast.operations import transitions
from outlast.operations.errors import IllegalTransition, NotFound, OutlastError
from outlast.operations.model import Operation, Transition
from outlast.operations.states import State
from outlast.store.port import AuditEntry, Change, Query

CANCEL_MAX: Final = 1000
"""How many operations one call asks to stop."""

_SCAN_MAX: Final = 100_000
_PAGE: Final = 500
_BATCH: Final = 100
_LIVE: Final = frozenset({State.PENDING, State.RUNNING})


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """What a bulk cancel came to.

    `matched`: live operations that fit the filter, that the caller may cancel, and that nobody had
    asked to stop yet. `requested`: those that were asked now (none in a dry run). `already_ended`:
    those that ended before the request reached them. `more`: the call stopped at its limit, and
    others may match.
    """

    matched: int
    requested: int
    already_ended: int
    dry_run: bool
    more: bool


async def cancel_many(
    engine: Engine,
    principal: Principal,
    query: Query,
    *,
    dry_run: bool = False,
    request_id: str | None = None,
) -> Cancelled:
    """Ask every live operation of a list to stop, CANCEL_MAX at most.

    Without states in the query, pending and running operations are meant; ended ones are left out.
    A principal that may not operate on what others created cancels its own.
    """
    principal.require(Verb.SUBMIT)
    states = (query.states & _LIVE) if query.states else _LIVE
    query = msgspec.structs.replace(query, states=states, before_id=None)
    found, more = await _matching(engine, principal, query) if states else ([], False)
    requested = already_ended = 0
    if not dry_run:
        for start in range(0, len(found), _BATCH):
            asked, ended = await _cancel(
                engine, principal, found[start : start + _BATCH], request_id
            )
            requested += asked
            already_ended += ended
    return Cancelled(
        matched=len(found),
        requested=requested,
        already_ended=already_ended,
        dry_run=dry_run,
        more=more,
    )


async def _matching(
    engine: Engine, principal: Principal, query: Query
) -> tuple[list[Operation], bool]:
    found: list[Operation] = []
    others_too = principal.may(Verb.OPERATE)
    limit = min(_PAGE, engine.limits.page_size)
    for _ in range(0, _SCAN_MAX, limit):
        page = await engine.find(principal, msgspec.structs.replace(query, limit=limit))
        for operation in page.operations:
            if operation.cancel_requested_at is not None:
                continue
            if others_too or operation.created_by == principal.member:
                if len(found) == CANCEL_MAX:
                    return found, True
                found.append(operation)
        if page.next_before_id is None:
            return found, False
        query = msgspec.structs.replace(query, before_id=page.next_before_id)
    return found, True


async def _cancel(
    engine: Engine, principal: Principal, found: Sequence[Operation], request_id: str | None
) -> tuple[int, int]:
    """How many of these were asked to stop now, and how many had ended."""

    def decide(stored: Operation, now: int) -> Transition:
        return transitions.request_cancel(stored, principal.member, now)

    changes = [
        Change(
            id=operation.id,
            tenant=principal.tenant,
            decide=decide,
            audit=AuditEntry(
                actor=principal.member,
                action="operation.cancel",
                target=operation.id,
                request_id=request_id,
            ),
        )
        for operation in found
    ]
    requested = already_ended = 0
    for answer in await engine.store.operations.apply(changes):
        match answer:
            case IllegalTransition() | NotFound():
                already_ended += 1
            case OutlastError():
                raise answer
            case Operation():
                requested += 1
    return requested, already_ended
