"""Kinds run without a server: with the secrets, inputs and partial output that they would have."""

from typing import Any

import msgspec
import pytest

from outlast.operations.errors import Fatal, Unavailable
from outlast.operations.kind import Kind, Prepared
from outlast.testing.running import run_kind


class Part(msgspec.Struct, tag="part"):
    name: str


def _prepare(spec: list[str], _catalog: Any) -> Prepared:
    return Prepared(plan=spec, secrets={name: f"sealed:{name}" for name in spec})


def _use(plan: list[str], context: Any) -> dict[str, str]:
    context.checkpoint({"parts": ["a"]})
    context.checkpoint({"parts": ["a", "b"]})
    if "bad" in plan:
        raise Fatal("bad_key", "refused")
    return dict(context.secrets)


USE = Kind(
    "use",
    spec=list[str],
    result=dict[str, str],
    run=_use,
    prepare=_prepare,
    partial=lambda checkpoint: [Part(name) for name in checkpoint["parts"]],
    secrets=("good", "bad", "unused"),
)
SECRETS = {"good": "g", "bad": "b", "unused": "u"}


def test_a_handler_is_given_the_secrets_that_its_prepare_names():
    assert run_kind(USE, ["good"], secrets=SECRETS).result == {"good": "g"}


def test_a_secret_that_prepare_names_must_be_given():
    with pytest.raises(ValueError, match="good"):
        run_kind(USE, ["good"])


def test_a_secret_that_the_kind_does_not_declare_is_refused_as_on_a_server():
    with pytest.raises(Unavailable, match="does not declare: other"):
        run_kind(USE, ["other"], secrets={"other": "x"})


def test_what_a_failed_attempt_leaves_is_shown():
    failed = run_kind(USE, ["bad"], secrets=SECRETS)
    assert failed.failure.code == "bad_key"
    assert [one["name"] for one in failed.partial] == ["a", "b"]
    assert run_kind(USE, ["good"], secrets=SECRETS).partial == ()
