"""The contract fits systems that are unlike the one that is here, and sees what is wrong."""

from datetime import UTC, datetime
from typing import ClassVar

import msgspec
import pytest

from outlast.dialects.port import Reading, Refusal, Reply
from outlast.operations import ids
from outlast.operations.model import SECOND, Operation
from outlast.operations.states import State
from outlast.testing.dialect_contract import DialectContract, Example

EXAMPLES = {"add": Example(spec={"a": 1}, result={"total": 1})}


class Wrapped:
    """Three words for five states, ISO instants, one-of by state, a wrapped document; no list.

    What has succeeded is told by a redirect without a body.
    """

    name = "wrapped"
    title = "Wrapped"
    schemes = frozenset({"Token", "Bearer"})
    tenant_header = None
    fixed_paths = ("/api/v9",)
    words: ClassVar = dict.fromkeys(State, "pending") | {
        State.SUCCEEDED: "succeeded",
        State.FAILED: "failed",
        State.CANCELLED: "failed",
    }
    final_words = frozenset({"succeeded", "failed"})

    def shows(self, kind):
        return kind == "add"

    def show_id(self, id):
        return str(ids.to_uuid(id))

    def read_id(self, text):
        return ids.from_hex(text)

    def render(self, operation: Operation) -> Reply:
        shown = self.show_id(operation.id)
        if operation.state is State.SUCCEEDED:
            return Reply(status=303, headers=[("Location", f"/api/v9/results/{shown}/")])
        document = {"id": shown, "status": self.words[operation.state]}
        document["created"] = datetime.fromtimestamp(
            operation.created_at // SECOND, UTC
        ).isoformat()
        if self.words[operation.state] == "failed":
            document["error"] = {"detail": "cancelled" if operation.failure is None else "broke"}
        return Reply(body=msgspec.json.encode({"operation": document}))

    def render_list(self, operations, *, has_more):
        return None

    def render_refusal(self, refusal: Refusal) -> Reply:
        problem = {"title": refusal.message, "status": refusal.status}
        return Reply(
            status=refusal.status,
            body=msgspec.json.encode(problem),
            media="application/problem+json",
        )

    def refusal_type(self, status):
        return dict[str, str | int]

    def read(self, reply: Reply) -> Reading:
        if reply.status == 303:
            [(_, location)] = reply.headers
            return Reading(id=location.split("/")[-2], state=State.SUCCEEDED)
        try:
            document = msgspec.json.decode(reply.body)["operation"]
        except (msgspec.DecodeError, KeyError) as error:
            raise ValueError("not an operation") from error
        states = {"pending": State.RUNNING, "failed": State.FAILED}
        return Reading(
            id=document["id"],
            state=states[document["status"]],
            created_at=int(datetime.fromisoformat(document["created"]).timestamp()) * SECOND,
            failure=document.get("error", {}).get("detail"),
        )


class TestAnUnlikeDialect(DialectContract):
    dialect = Wrapped()
    examples: ClassVar = EXAMPLES


class ForEver(Wrapped):
    """Its word for cancelled keeps a client polling."""

    words: ClassVar = Wrapped.words | {State.CANCELLED: "unknown"}


class Forgetful(Wrapped):
    """It has no word for a state."""

    words: ClassVar = {one: word for one, word in Wrapped.words.items() if one is not State.FAILED}


class Swallowing(Wrapped):
    """It answers a refusal as if all were well."""

    def render_refusal(self, refusal):
        return Reply(body=b"{}")


class Late(Wrapped):
    """Its instants are those of another time zone."""

    def read(self, reply):
        reading = super().read(reply)
        moved = None if reading.created_at is None else reading.created_at + 3600 * SECOND
        return msgspec.structs.replace(reading, created_at=moved)


@pytest.mark.parametrize(
    ("dialect", "check"),
    [
        (ForEver, "test_the_words_that_end_polling_are_those_of_terminal_states"),
        (Forgetful, "test_every_state_has_a_word"),
        (Late, "test_instants_are_those_of_the_operation"),
    ],
)
def test_the_contract_sees_a_dialect_that_breaks_it(dialect, check):
    contract = DialectContract()
    contract.dialect, contract.examples = dialect(), EXAMPLES
    with pytest.raises((AssertionError, KeyError)):
        getattr(contract, check)()


def test_the_contract_sees_a_refusal_that_says_yes():
    contract = DialectContract()
    contract.dialect = Swallowing()
    with pytest.raises(AssertionError):
        contract.test_every_error_is_refused_in_the_words_of_the_wire("not_found")
