"""Secrets on their way from a reference to a handler."""

from typing import Any

import pytest

from outlast.operations.concealing import Concealer
from outlast.operations.errors import Fatal, SecretMissing, Unavailable
from outlast.operations.failure import Failure
from outlast.operations.kind import Kind, Prepared
from outlast.operations.retry import RetryPolicy
from outlast.operations.states import State

TEXT = "hunter22-correct-horse"


class Vault:
    """Knows one secret."""

    def __init__(self):
        self.asked = []

    async def resolve(self, operation, references):
        self.asked.append((operation.id, references))
        if "sealed:GONE" in references.values():
            raise SecretMissing("sealed:GONE is not here", fault="user")
        if "backend:mute" in references.values():
            raise SecretMissing("backend:mute has no key")
        return dict.fromkeys(references, TEXT)


def kind(run, *, references=None, declared=("key",), **options):
    async def prepare(spec, _catalog):
        return Prepared(plan=spec, secrets=references or {"key": "sealed:ONE"})

    return Kind(
        "open",
        spec=Any,
        result=Any,
        run=run,
        prepare=prepare,
        secrets=declared,
        executor="inline",
        **options,
    )


async def _look(_plan, context):
    return len(context.secrets["key"])


async def test_a_handler_is_given_the_secret_and_the_operation_holds_only_the_reference(
    installation, work
):
    vault = Vault()
    installation.add(kind(_look))
    work(secrets=vault)
    operation = await installation.end_of(await installation.submit("open"))
    assert (operation.state, operation.result) == (State.SUCCEEDED, str(len(TEXT)).encode())
    assert vault.asked == [(operation.id, {"key": "sealed:ONE"})]


async def test_a_secret_that_the_kind_does_not_declare_is_refused_before_anything_is_created(
    installation,
):
    installation.add(kind(_look, declared=("other",)))
    with pytest.raises(Unavailable, match="does not declare: key"):
        await installation.submit("open")


@pytest.mark.parametrize(
    ("reference", "fault"), [("sealed:GONE", "user"), ("backend:mute", "platform")]
)
async def test_a_secret_that_cannot_be_had_fails_the_operation_by_whose_fault_it_is(
    installation, work, reference, fault
):
    installation.add(kind(_look, references={"key": reference}))
    work(secrets=Vault())
    operation = await installation.end_of(await installation.submit("open"))
    assert (operation.state, operation.attempt) == (State.FAILED, 1)
    failure = operation.failure
    assert (failure.code, failure.fault) == ("secret_missing", fault)
    assert reference in failure.message


async def test_a_worker_without_secrets_fails_the_attempt(installation, work):
    installation.add(kind(_look, retry=RetryPolicy(attempts_max=1)))
    work()
    operation = await installation.end_of(await installation.submit("open"))
    assert (operation.failure.code, operation.failure.fault) == ("unavailable", "platform")


@pytest.mark.parametrize("how", ["fatal", "exception"])
async def test_a_handler_that_quotes_its_secret_reveals_it_in_neither_log_nor_failure(
    installation, work, how, tmp_path
):
    async def quote(_plan, context):
        key = context.secrets["key"]
        context.log(f"trying {key} now")
        if how == "fatal":
            raise Fatal("refused", f"wrong key {key}", details={"sent": [f"Bearer {key}"]})
        raise ValueError(f"401 for {key}")

    installation.add(kind(quote, retry=RetryPolicy(attempts_max=1)))
    work(secrets=Vault())
    operation = await installation.end_of(await installation.submit("open"))
    assert operation.state is State.FAILED
    assert "[secret]" in operation.failure.message
    [line] = await installation.store.operations.log(operation.id)
    assert line.text == "trying [secret] now"
    for file in tmp_path.glob("outlast.db*"):
        assert TEXT.encode() not in file.read_bytes()


@pytest.mark.parametrize("text", ["platform", "message", 'a"quoted"\\one', "two lines\nof secret"])
def test_a_secret_is_concealed_whatever_it_looks_like(text):
    failure = Failure(
        code="platform",
        message=f"with {text}!",
        fault="platform",
        field_errors={"platform": text},
        details={"message": [text, {"deep": text}], "number": 7},
        cause=Failure(code="c", message=text, fault="user"),
    )
    concealed = Concealer([text, "ab"]).failure(failure)
    assert (concealed.code, concealed.fault) == ("platform", "platform")
    assert concealed.details["number"] == 7
    told = [concealed.message, *concealed.field_errors.values(), concealed.cause.message]
    assert all("[secret]" in one for one in told)
    assert not any(line in one for one in told for line in text.splitlines())
    assert Concealer(["ab"]).failure(failure) is failure
