"""How many operations there are: by counters that triggers keep, or by a short walk.

Each statement that adds, moves or deletes operations leaves rows of `count_deltas`, so that no
transaction waits for another one's counts. They are folded into `counts` every few seconds; what is
counted is the sum of both, as one snapshot has them.
"""
# ruff: noqa: S608  statements are put together from constants; values are always bound

import asyncio
import logging
import random
from typing import Any, Final, TypeAlias

from outlast.operations.errors import Unavailable
from outlast.store.port import Count
from outlast.store.postgres.connecting import Connections, InDoubt
from outlast.store.postgres.reading import Reader
from outlast.store.postgres.refusals import is_away

FOLD_SECONDS: Final = 2.0
DELTAS_MAX: Final = 200
"""So many may stay as they are: to read them costs less than to fold them."""
_FOLDED_AT_ONCE: Final = 10_000
_TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(7306071906)"
_LAZILY: Final = "SET LOCAL synchronous_commit = off"
ARE_MANY: Final = "SELECT EXISTS (SELECT FROM count_deltas OFFSET $1)"
FOLD: Final = (
    "WITH folded AS (DELETE FROM count_deltas"
    " WHERE ctid = ANY (ARRAY(SELECT ctid FROM count_deltas LIMIT $1))"
    " RETURNING tenant, kind, state, delta)"
    " INSERT INTO counts (tenant, kind, state, count)"
    " SELECT tenant, kind, state, sum(delta) FROM folded GROUP BY tenant, kind, state"
    " ON CONFLICT (tenant, kind, state) DO UPDATE SET count = counts.count + excluded.count"
)

Statement: TypeAlias = tuple[Any, ...]
"""SQL, and the values of its placeholders."""

_log = logging.getLogger(__name__)


async def count(reader: Reader, wanted: Count) -> int | None:
    """See OperationStore.count."""
    counted = int(await reader.value(*counters_sql(wanted)))
    if wanted.resource is None:
        return counted
    # Whichever are fewer are walked: the resource's operations, or those of the kinds and states.
    most = min(counted, wanted.walked_max)
    [[walked, found]] = await reader.fetch(*resource_sql(wanted, most))
    if walked <= most:
        return int(found)
    if counted > wanted.walked_max:
        return None
    return int(await reader.value(*few_sql(wanted)))


def counters_sql(wanted: Count) -> Statement:
    """How many operations there are of the kinds and states."""
    checks, values = _checks(wanted)
    return (
        "SELECT coalesce(sum(n), 0) FROM"
        f" (SELECT count AS n FROM counts WHERE tenant = $1{checks}"
        f" UNION ALL SELECT delta FROM count_deltas WHERE tenant = $1{checks}) AS c"
    ), *values


def few_sql(wanted: Count) -> Statement:
    """How many of the operations of these kinds and states are the resource's."""
    checks, values = _checks(wanted)
    place = len(values) + 1
    return (
        (
            f"SELECT count(*) FROM operations WHERE tenant = $1{checks}"
            f" AND resource_type = ${place} AND resource_id = ${place + 1}"
        ),
        *values,
        *(wanted.resource or ()),
    )


def resource_sql(wanted: Count, most: int) -> Statement:
    """How many of the resource's operations were looked at, and how many of them are wanted.

    One more than `most` is looked at, to tell whether there are more.
    """
    checks, values = _checks(wanted)
    place = len(values) + 1
    return (
        (
            f"SELECT count(*), count(*) FILTER (WHERE resource_type = ${place}{checks}) FROM"
            " (SELECT resource_type, kind, state FROM operations"
            f" WHERE tenant = $1 AND resource_id = ${place + 1} LIMIT ${place + 2}) AS walked"
        ),
        *values,
        *(wanted.resource or ()),
        most + 1,
    )


def _checks(wanted: Count) -> tuple[str, list[Any]]:
    checks = ""
    values: list[Any] = [wanted.tenant]
    for column, allowed in (("kind", wanted.kinds), ("state", wanted.states)):
        if allowed:
            values.append(list(allowed))
            checks += f" AND {column} = ANY(${len(values)}::text[])"
    return checks, values


class Folder:
    """Folds deltas into counts. Any number of processes may: one does, the others pass."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def run(self) -> None:
        """Fold every few seconds, for ever."""
        while True:
            # Spread out, so that many processes do not all look at the same moment.
            await asyncio.sleep(FOLD_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  no secret
            try:
                while await self.fold():
                    pass
            except Exception as error:  # noqa: BLE001  an edge
                # What was not folded is counted all the same, and the next look will tell.
                if not isinstance(error, (Unavailable, InDoubt)) and not is_away(error):
                    _log.exception("counts could not be folded")

    async def fold(self) -> bool:
        """Fold some, if there are many; whether there may be more."""
        if not (await self._connections.fetch(ARE_MANY, DELTAS_MAX, patience=0))[0][0]:
            return False
        async with self._connections.transaction() as opened:
            connection = opened.connection
            if not await connection.fetchval(_TRY_LOCK):
                return False
            # What a crash brings back is folded again.
            await connection.execute(_LAZILY)
            await connection.execute(FOLD, _FOLDED_AT_ONCE)
        return True
