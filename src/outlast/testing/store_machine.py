"""A store against a model of it: random histories, and what must hold after every step.

The model predicts with rules of its own, so that it can contradict the domain as well as the
adapter; the invariants know neither. Two open stores take turns on one database.

    class Machine(StoreMachine):
        def make_store(self, clock):
            return MyStore(self.folder, clock=clock)

    TestMachine = Machine.TestCase
"""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from outlast.operations import transitions
from outlast.operations.errors import IllegalTransition, LeaseLost, NotTerminal, OutlastError
from outlast.operations.failure import Failure
from outlast.operations.model import SECOND, Operation, Submission, Transition
from outlast.operations.progress import Report
from outlast.operations.states import State
from outlast.settings import Sharing
from outlast.store.port import (
    Change,
    Claim,
    Count,
    Created,
    Creation,
    Held,
    OperationStore,
    Query,
    Store,
)
from outlast.testing.clock import ManualClock
from outlast.testing.store_model import (
    LEASE_SECONDS,
    RETENTION_SECONDS,
    RETRY_SECONDS,
    SHARINGS,
    TURNS,
    Expected,
    Model,
    visible,
)

TENANTS = ("acme", "other")
KINDS = ("a", "b")
BROKEN = Failure(code="crashed", message="", fault="platform", retryable=True)
BAD = Failure(code="bad_input", message="", fault="user")
_T = TypeVar("_T")
_at = st.sampled_from((0, 1))
_pick = st.integers(0, 99)
_endings = st.sampled_from(("succeed", "fail", "retry", "release", "confirm_cancel"))
_kinds = st.sampled_from(({"a"}, {"b"}, {"a", "b"}, {"a", "b"}))
_sharings = st.sampled_from(SHARINGS)
_turns = st.sampled_from(TURNS)
_submissions = st.fixed_dictionaries(
    {
        "tenant": st.sampled_from((*TENANTS, TENANTS[0])),
        "kind": st.sampled_from(KINDS),
        "concurrency_key": st.sampled_from((None, "x", "x", "y")),
        "priority": st.integers(-1, 1),
        "available_at": st.sampled_from((None, None, None, 3)),
        "deadline_at": st.sampled_from((None, None, None, 4, 15)),
        "attempts_max": st.integers(1, 3),
        "idempotency_key": st.sampled_from((None, None, None, None, "k1")),
        "labels": st.sampled_from(({}, {"team": "blue"}, {"team": "red"})),
        "spec": st.sampled_from((b"1", b"1", b'"' + b"s" * 700 + b'"')),
    }
)


class StoreMachine(RuleBasedStateMachine):
    """The machine; a subclass makes the stores."""

    def __init__(self) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        self.clock = ManualClock()
        self.model = Model()
        self.seen: dict[str, Operation] = {}
        self.counted: dict[str, int] = {}
        self._runner = asyncio.Runner()
        self._stores: list[Store] = []

    def make_store(self, clock: ManualClock) -> Store:
        """A store that is not open yet; each on the same database."""
        raise NotImplementedError

    @initialize()
    def open(self) -> None:
        """Open both stores."""
        for _ in range(2):
            store = self.make_store(self.clock)
            self._run(store.open())
            self._stores.append(store)

    def teardown(self) -> None:
        """Close both stores."""
        for store in self._stores:
            self._run(store.close())
        self._runner.close()
        self._temporary.cleanup()

    @rule(at=_at, wishes=st.lists(_submissions, min_size=1, max_size=4))
    def create(self, at: int, wishes: list[dict[str, Any]]) -> None:
        """Create operations, or meet those that have their idempotency keys."""
        for wish in wishes:
            now = self.clock.advance(0.001)
            instants = {
                name: None if wish[name] is None else now + wish[name] * SECOND
                for name in ("available_at", "deadline_at")
            }
            submission = Submission(
                created_by="ada",
                fingerprint=b"1",
                retention_seconds=RETENTION_SECONDS,
                **{**wish, **instants},
            )
            creation = Creation(submission=submission)
            (created,) = self._run(self._operations(at).create([creation]))
            assert isinstance(created, Created)
            earlier = self.model.with_key(submission)
            assert created.is_new == (earlier is None)
            if earlier is None:
                available_at = now if submission.available_at is None else submission.available_at
                self.model[created.operation.id] = Expected(submission, available_at)
            else:
                assert created.operation.id == earlier

    @rule(at=_at, kinds=_kinds, limit=st.integers(1, 3), turns=_turns, sharing=_sharings)
    def claim(
        self,
        at: int,
        kinds: set[str],
        limit: int,
        turns: Mapping[str, Any] = TURNS[0],
        sharing: Sharing = SHARINGS[0],
    ) -> None:
        """Claim, and get exactly what is next."""
        claim = Claim(
            kinds=frozenset(kinds),
            worker="w",
            limit=limit,
            lease_seconds=LEASE_SECONDS,
            sharing=sharing,
            **turns,
        )
        claimed = self._run(self._operations(at).claim(claim))
        now = self.clock()
        assert [operation.id for operation in claimed] == self.model.next(claim, now)
        for operation in claimed:
            assert operation.lease is not None
            assert operation.lease.token not in self.model[operation.id].tokens
            self.model[operation.id].start(operation.lease.token, now)

    @precondition(lambda self: self.model.running())
    @rule(at=_at, pick=_pick, how=_endings, kinds=_kinds)
    def end_attempt(self, at: int, pick: int, how: str, kinds: set[str]) -> None:
        """The holder of the lease ends the attempt, and looks for more."""
        self.claim(at, kinds, limit=3)
        id_, expected, token = _nth(self.model.running(), pick)
        answer = self._apply(at, id_, WRITES[how](token))
        if how == "confirm_cancel" and not expected.is_cancelling:
            assert isinstance(answer, IllegalTransition)
        else:
            expected.stop(how, self.clock())
        self.claim(at, kinds, limit=3)

    @precondition(lambda self: self.model.stale())
    @rule(at=_at, pick=_pick, how=st.sampled_from(("succeed", "release", "note")))
    def write_with_a_stale_lease(self, at: int, pick: int, how: str) -> None:
        """Whoever held the lease earlier can change nothing."""
        id_, token = _nth(self.model.stale(), pick)
        assert isinstance(self._apply(at, id_, WRITES[how](token)), LeaseLost)

    @precondition(lambda self: self.model.running())
    @rule(at=_at, pick=_pick, sizes=st.lists(st.sampled_from((1, 510, 511, 5_000)), min_size=2))
    def save(self, at: int, pick: int, sizes: list[int]) -> None:
        """The holder of the lease saves checkpoints."""
        id_, expected, token = _nth(self.model.running(), pick)
        for size in sizes[:3]:
            document = expected.checkpoint = b'"' + b"c" * size + b'"'
            answer = self._apply(at, id_, _saving(token, document))
            assert isinstance(answer, Operation)

    @precondition(lambda self: self.model.running())
    @rule(at=_at, pick=_pick)
    def work(self, at: int, pick: int) -> None:
        """The holder of the lease reports and notes something."""
        id_, expected, token = _nth(self.model.running(), pick)
        expected.notes += 1
        for decide in (WRITES["report"](token), WRITES["note"](token)):
            assert isinstance(self._apply(at, id_, decide), Operation)

    @precondition(lambda self: self.model)
    @rule(at=_at, pick=_pick)
    def cancel(self, at: int, pick: int) -> None:
        """Somebody asks to cancel."""
        id_, expected = _nth(list(self.model.items()), pick)
        answer = self._apply(
            at, id_, lambda stored, now: transitions.request_cancel(stored, "ada", now)
        )
        if expected.state.is_terminal:
            assert isinstance(answer, IllegalTransition)
        else:
            expected.cancel(self.clock())

    @rule(at=_at)
    def renew(self, at: int) -> None:
        """Every lease there ever was is renewed; only those that stand are held."""
        held = [
            Held(id=id_, token=token) for id_, each in self.model.items() for token in each.tokens
        ]
        for answer in self._run(self._operations(at).renew("w", held, LEASE_SECONDS)):
            expected = self.model[answer.id]
            assert answer.is_held == (answer.token == expected.token)
            if answer.is_held:
                assert answer.cancel_requested == expected.is_cancelling
                expected.lease_expires_at = self.clock() + LEASE_SECONDS * SECOND

    @rule(seconds=st.sampled_from((0.5, 3, 11, 61)))
    def pass_time(self, seconds: float) -> None:
        """Time goes by."""
        self.clock.advance(seconds)

    @rule(at=_at)
    def reap(self, at: int) -> None:
        """What is overdue is found, all of it and nothing else."""
        reaped = self._run(self._operations(at).reap(1_000))
        overdue = self.model.reap(self.clock())
        assert sorted(operation.id for operation in reaped) == sorted(overdue)

    @rule(at=_at)
    def prune(self, at: int) -> None:
        """What is past its retention goes, and nothing else."""
        expired = self.model.expired(self.clock())
        assert self._run(self._operations(at).prune(1_000)) == len(expired)
        for id_ in expired:
            self._forget(id_)

    @precondition(lambda self: self.model)
    @rule(at=_at, pick=_pick)
    def delete(self, at: int, pick: int) -> None:
        """Somebody deletes an operation."""
        id_, expected = _nth(list(self.model.items()), pick)
        deletion = self._operations(at).delete(expected.submission.tenant, id_)
        if expected.state.is_terminal:
            self._run(deletion)
            self._forget(id_)
        else:
            assert isinstance(self._run(_or_error(deletion)), NotTerminal)

    @rule(
        at=_at,
        tenant=st.sampled_from(TENANTS),
        states=st.sets(st.sampled_from(list(State))),
        kinds=st.sets(st.sampled_from(KINDS)),
        label=st.sampled_from((None, "blue")),
        limit=st.integers(1, 4),
    )
    def find(self, at: int, limit: int, **filters: Any) -> None:
        """The pages of a list are what the model has, newest first, and so many are counted."""
        label = filters["label"]
        wanted: dict[str, Any] = {
            name: value if name == "tenant" else frozenset(value)
            for name, value in filters.items()
            if name != "label"
        }
        query = Query(labels={} if label is None else {"team": label}, limit=limit, **wanted)
        if label is None:
            counted = self._run(self._operations(at).count(Count(**wanted)))
            assert counted == len(self.model.listed(**filters))
        found: list[str] = []
        is_end = False
        while not is_end:
            page = self._run(self._operations(at).find(query))
            found += [operation.id for operation in page.operations]
            query = msgspec.structs.replace(query, before_id=page.next_before_id)
            is_end = page.next_before_id is None
        assert found == self.model.listed(**filters)

    @invariant()
    def the_store_is_as_the_model_says(self) -> None:
        """States, attempts, leases and documents."""
        for id_, operation in self._stored().items():
            expected = self.model[id_]
            assert operation.state is expected.state
            assert operation.attempt == expected.attempt
            assert operation.expire_at == expected.expire_at
            assert operation.spec == expected.submission.spec
            assert operation.checkpoint == expected.checkpoint
            token = None if operation.lease is None else operation.lease.token
            assert token == expected.token

    @invariant()
    def what_must_never_happen_does_not(self) -> None:
        """The invariants that know nothing of the code."""
        stored = self._stored()
        running = [
            (operation.tenant, operation.concurrency_key)
            for operation in stored.values()
            if operation.state is State.RUNNING and operation.concurrency_key is not None
        ]
        assert len(running) == len(set(running))
        for id_, operation in stored.items():
            assert (operation.lease is not None) == (operation.state is State.RUNNING)
            assert 0 <= operation.attempt <= operation.attempts_max
            before = self.seen.get(id_, operation)
            assert not before.state.is_terminal or operation == before
            is_same = visible(operation) == visible(before)
            assert operation.revision >= before.revision + (not is_same)
            self.seen[id_] = operation

    @invariant()
    def histories_have_no_gaps(self) -> None:
        """Events are numbered 1, 2, 3 ... and their revisions grow."""
        for id_, operation in self._stored().items():
            if operation.event_count == self.counted.get(id_):
                continue
            self.counted[id_] = operation.event_count
            events = self._run(self._operations(0).events(id_))
            assert [event.number for event in events] == list(range(1, operation.event_count + 1))
            revisions = [event.revision for event in events]
            assert revisions == sorted(set(revisions))
            assert revisions[-1] <= operation.revision
            notes = [event for event in events if event.type == "note"]
            assert len(notes) == self.model[id_].notes

    def _stored(self) -> dict[str, Operation]:
        found = self._run(self._operations(1).get(None, list(self.model)))
        assert None not in found
        return {operation.id: operation for operation in found if operation is not None}

    def _forget(self, id_: str) -> None:
        tenant = self.model.pop(id_).submission.tenant
        self.seen.pop(id_, None)
        assert self._run(self._operations(0).find_tombstone(tenant, id_)) is not None
        assert self._run(self._operations(0).get(None, [id_])) == [None]
        assert self._run(self._operations(0).events(id_)) == []

    def _operations(self, at: int) -> OperationStore:
        return self._stores[at].operations

    def _apply(self, at: int, id_: str, decide: "Decision") -> Operation | OutlastError:
        change = Change(id=id_, tenant=None, decide=decide)
        (answer,) = self._run(self._operations(at).apply([change]))
        return answer

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return self._runner.run(coroutine)


def _nth(those: Sequence[_T], pick: int) -> _T:
    return those[pick % len(those)]


async def _or_error(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coroutine
    except OutlastError as error:
        return error


def _saving(token: str, document: bytes) -> "Decision":
    return lambda stored, now: transitions.checkpoint(stored, token, document, now)


Decision = Callable[[Operation, int], Transition]

WRITES: dict[str, Callable[[str], Decision]] = {
    "succeed": lambda token: lambda stored, now: transitions.succeed(stored, token, b"1", now),
    "fail": lambda token: lambda stored, now: transitions.fail(stored, token, BAD, 0, now),
    "retry": lambda token: (
        lambda stored, now: transitions.fail(stored, token, BROKEN, RETRY_SECONDS, now)
    ),
    "release": lambda token: lambda stored, now: transitions.release(stored, token, now),
    "confirm_cancel": lambda token: (
        lambda stored, now: transitions.confirm_cancel(stored, token, now)
    ),
    "report": lambda token: (
        lambda stored, now: transitions.report(stored, token, Report(done=1), now)
    ),
    "note": lambda token: lambda stored, now: transitions.note(stored, token, "note", {}, now),
}
