"""The contract of a dialect: every sentence of `outlast.dialects.port`, as tests.

    class TestMyDialect(DialectContract):
        dialect = MyDialect()
        examples = {"sql_query": Example(spec={...}, result={...}), ...}

`examples` has one for every kind that the dialect shows; of one that shows every kind, which
`shows_all` says, for some. Put
`pytest.register_assert_rewrite("outlast.testing.dialect_contract")` into a conftest.
"""
# ruff: noqa: D102, PLR2004  the name of a test is its sentence

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from outlast.dialects.port import Dialect, FieldFault, Refusal, Reply
from outlast.http.errors import STATUS
from outlast.operations import errors, ids
from outlast.operations.failure import Failure
from outlast.operations.model import SECOND, Lease, Operation
from outlast.operations.states import State

CREATED_AT = 1_760_109_124 * SECOND + 250_000
FAILURE_CODES = (
    "attempts_exhausted",
    "crashed",
    "deadline_exceeded",
    "handler_error",
    "lease_expired",
    "lost_while_cancelling",
    "out_of_memory",
    "query_failed",
    "result_invalid",
    "unknown_kind",
    *sorted(STATUS),
)
some_id = some.builds(
    ids.make_id,
    some.integers(0, 2**48 * 1000 - 1),
    some.integers(0, 2**52 - 1),
)


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """An operation of one kind: a spec of it, and a result as its handler gives it."""

    spec: Any
    result: Any = None
    checkpoint: Any = None


def make_operation(
    kind: str, example: Example, state: State, failure_code: str | None = None, **fields: Any
) -> Operation:
    """An operation in a state, with all that this state implies."""
    started = state is not State.PENDING
    values: dict[str, Any] = {
        "id": ids.make_id(CREATED_AT, 7),
        "tenant": "acme",
        "created_by": "ada",
        "kind": kind,
        "kind_version": "1",
        "state": state,
        "revision": 3,
        "event_count": 3,
        "created_at": CREATED_AT,
        "updated_at": CREATED_AT,
        "available_at": CREATED_AT,
        "attempt": int(started),
        "attempts_max": 2,
        "priority": 0,
        "retention_seconds": 86_400,
        "spec": msgspec.json.encode(example.spec),
        "started_at": CREATED_AT + SECOND if started else None,
        "finished_at": CREATED_AT + 9 * SECOND if state.is_terminal else None,
    }
    if example.checkpoint is not None and started:
        values["checkpoint"] = msgspec.json.encode(example.checkpoint)
    if state is State.RUNNING:
        values["lease"] = Lease(token="t", worker="w", expires_at=CREATED_AT + 15 * SECOND)  # noqa: S106
    if state is State.SUCCEEDED:
        values["result"] = msgspec.json.encode(example.result)
    if state is State.FAILED:
        values["failure"] = Failure(
            code=failure_code or "crashed", message="it broke", fault="platform"
        )
    return Operation(**(values | fields))


def error_classes() -> Iterator[type[errors.OutlastError]]:
    """Every error of the domain."""
    for _, one in inspect.getmembers(errors, inspect.isclass):
        if issubclass(one, errors.OutlastError):
            yield one


class DialectContract:
    """All of it."""

    dialect: ClassVar[Dialect]
    examples: ClassVar[Mapping[str, Example]]
    shows_all: ClassVar[bool] = False

    def operations(self) -> Iterator[Operation]:
        """An operation of every kind in every state, and failed with every code."""
        for kind, example in self.examples.items():
            for state in State:
                yield make_operation(kind, example, state)
            for code in FAILURE_CODES:
                yield make_operation(kind, example, State.FAILED, code)
            asked_at = CREATED_AT + SECOND
            yield make_operation(kind, example, State.RUNNING, cancel_requested_at=asked_at)
            yield make_operation(kind, example, State.PENDING, attempt=1, started_at=asked_at)

    def test_every_state_has_a_word(self) -> None:
        assert set(self.dialect.words) == set(State)
        assert all(self.dialect.words.values())

    def test_the_words_that_end_polling_are_those_of_terminal_states(self) -> None:
        words = self.dialect.words
        terminal = {words[state] for state in State if state.is_terminal}
        going_on = {words[state] for state in State if not state.is_terminal}
        assert terminal <= self.dialect.final_words
        assert not going_on & self.dialect.final_words

    def test_every_example_is_of_a_kind_that_is_shown(self) -> None:
        assert self.examples
        assert all(self.dialect.shows(kind) for kind in self.examples)
        assert self.dialect.shows("no_such_kind") is self.shows_all

    def test_a_client_reads_what_was_rendered(self) -> None:
        for operation in self.operations():
            reading = self.dialect.read(self.dialect.render(operation))
            assert self.dialect.read_id(reading.id) == operation.id
            assert reading.kind in {None, operation.kind}
            assert self.dialect.words[reading.state] == self.dialect.words[operation.state]

    def test_what_a_caller_named_is_shown_by_that_name_or_by_its_id(self) -> None:
        for kind, example in self.examples.items():
            named = make_operation(kind, example, State.RUNNING, alias="nightly-7")
            shown = self.dialect.read(self.dialect.render(named)).id
            assert shown == named.alias or self.dialect.read_id(shown) == named.id

    def test_a_client_stops_polling_exactly_when_the_operation_has_ended(self) -> None:
        for operation in self.operations():
            reading = self.dialect.read(self.dialect.render(operation))
            assert reading.state.is_terminal == operation.state.is_terminal

    def test_no_poll_is_answered_with_an_error(self) -> None:
        for operation in self.operations():
            reply = self.dialect.render(operation)
            assert 200 <= reply.status < 400
            assert_sound(reply)

    def test_instants_are_those_of_the_operation(self) -> None:
        for operation in self.operations():
            reading = self.dialect.read(self.dialect.render(operation))
            for name in ("created_at", "started_at", "finished_at"):
                shown, stored = getattr(reading, name), getattr(operation, name)
                assert shown is None or abs(shown - stored) < SECOND

    def test_a_list_has_every_operation_in_order(self) -> None:
        if self.dialect.render_list([], has_more=False) is None:
            return  # the system has no list
        operations = list(self.operations())
        for has_more in (False, True):
            reply = self.dialect.render_list(operations, has_more=has_more)
            assert reply is not None
            assert reply.status == 200
            assert_sound(reply)
            text = reply.body.decode()
            places = [text.find(self.dialect.show_id(one.id)) for one in operations]
            assert places == sorted(places)
            assert places[0] >= 0

    @pytest.mark.parametrize("code", sorted(STATUS))
    def test_every_error_is_refused_in_the_words_of_the_wire(self, code: str) -> None:
        fault = FieldFault(place="body", path="src[0].version", reason="there is no such version")
        for faults in ((), (fault,)):
            refusal = Refusal(
                code=code,
                status=STATUS[code],
                message="this cannot be done",
                request_id="r-1",
                faults=faults,
            )
            reply = self.dialect.render_refusal(refusal)
            assert_sound(reply)
            assert reply.status // 100 == STATUS[code] // 100
            assert reply.body or self.dialect.refusal_type(reply.status) is None
            if reply.body:
                msgspec.json.decode(reply.body, type=self.dialect.refusal_type(reply.status))

    def test_every_error_of_the_domain_that_leaves_the_server_has_a_status(self) -> None:
        inner = {"error", "lease_lost"}
        assert {error.code for error in error_classes()} - inner <= set(STATUS)

    def test_what_is_no_operation_is_not_read_as_one(self) -> None:
        refusal = Refusal(code="not_found", status=404, message="no", request_id="r-1")
        for reply in (Reply(body=b"{}"), Reply(body=b"\xff"), self.dialect.render_refusal(refusal)):
            with pytest.raises(ValueError, match=r"."):
                self.dialect.read(reply)

    def test_an_id_comes_back_as_it_went(self) -> None:
        # Inside, since hypothesis keeps its examples by function, and each dialect inherits this.
        @settings(deadline=None)
        @given(id=some_id)
        def check(id: str) -> None:
            shown = self.dialect.show_id(id)
            assert shown.isascii()
            assert self.dialect.read_id(shown) == id

        check()

    def test_a_text_that_is_no_id_does_no_harm(self) -> None:
        @settings(deadline=None)
        @given(text=some.text() | some.text("0123456789abcdefABCDEF-", max_size=40))
        def check(text: str) -> None:
            read = self.dialect.read_id(text)
            assert read is None or ids.is_id(read)

        check()


def assert_sound(reply: Reply) -> None:
    """The reply can be sent: its body is what it says, its headers fit on a line each."""
    if reply.body and "json" in reply.media:
        msgspec.json.decode(reply.body)
    for name, value in reply.headers:
        assert name.isascii()
        assert value.isprintable()
