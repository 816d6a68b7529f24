from typing import Any

import msgspec
import pytest

from outlast.operations.errors import Invalid
from outlast.operations.kind import (
    CONFIGURED_TYPES,
    CatalogWrite,
    Finish,
    Kind,
    Prepared,
    Resource,
    Resources,
)
from outlast.operations.retry import RetryPolicy


class Spec(msgspec.Struct):
    name: str = "x"


class Plan(msgspec.Struct):
    path: str


def run(plan, context):
    """Make the thing.

    And more, which nobody sees in a list.
    """


async def run_async(plan, context):
    pass


async def prepare(spec, catalog):
    return Plan(path=spec.name)


def kind(name="thing", **fields):
    return Kind(name, **{"spec": Spec, "result": dict, "run": run} | fields)


@pytest.mark.parametrize("name", ["a", "sql_query", "a1_", "x" * 63])
def test_a_kind_is_named_in_lower_case(name):
    assert kind(name).name == name


@pytest.mark.parametrize(
    "name", ["", "A", "1a", "_a", "a-b", "a b", "a.b", "ä", "x" * 64, "a\n", "a/b"]
)
def test_a_name_that_does_not_fit_a_path_or_a_label_is_refused(name):
    with pytest.raises(ValueError, match="name must match"):
        kind(name)


def test_a_kind_runs_in_a_child_and_is_tried_three_times_unless_told_otherwise():
    one = kind()
    assert one.executor == "subprocess"
    assert one.retry == RetryPolicy(attempts_max=3)
    assert one.resources == Resources(cpus=1, gpus=0, memory_bytes=None)
    assert (one.secrets, one.environment, one.preload) == ((), (), ())
    assert not one.sandboxed


def test_an_inline_handler_must_be_async():
    assert kind(run=run_async, executor="inline").executor == "inline"
    with pytest.raises(ValueError, match="thing: inline handlers must be async"):
        kind(executor="inline")


def test_an_inline_handler_cannot_be_sandboxed():
    with pytest.raises(ValueError, match="thing: an inline handler cannot be sandboxed"):
        kind(run=run_async, executor="inline", sandboxed=True)


def test_a_child_may_run_plain_and_async_handlers_sandboxed_or_not():
    for handler in (run, run_async):
        for sandboxed in (False, True):
            assert kind(run=handler, sandboxed=sandboxed).sandboxed is sandboxed


def test_without_prepare_the_plan_is_the_spec():
    assert kind().plan_type is Spec
    assert kind(plan=Plan).plan_type is Spec


def test_with_prepare_the_plan_has_its_own_type_or_any():
    assert kind(prepare=prepare, plan=Plan).plan_type is Plan
    assert kind(prepare=prepare).plan_type == Any


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (None, None),
        ("one", "one"),
        (lambda spec: f"by-{spec.name}", "by-x"),
        (lambda _: None, None),
    ],
)
def test_a_concurrency_key_is_a_text_or_a_function_of_the_spec(given, key):
    assert kind(concurrency_key=given).key_for(Spec()) == key


def test_the_summary_is_the_first_line_of_the_description_or_of_the_handlers_docstring():
    assert kind(description="  Makes it.\nSlowly.").summary == "Makes it."
    assert kind().summary == "Make the thing."
    assert kind(run=run_async).summary == ""


def test_a_kind_cannot_be_changed():
    with pytest.raises(AttributeError):
        kind().name = "other"


def test_only_the_name_is_positional():
    with pytest.raises(TypeError):
        Kind("thing", Spec, dict, run)


def test_what_the_halves_of_a_kind_return_writes_nothing_by_itself():
    assert Prepared(plan=1) == Prepared(plan=1, writes=(), inputs={})
    assert Finish(result=1) == Finish(result=1, writes=())


def test_a_write_without_a_document_is_a_deletion_of_whatever_is_there():
    write = CatalogWrite(type="dataset", id="a")
    assert (write.document, write.expected_revision, write.fields) == (None, None, {})


def test_a_resource_survives_storage():
    resource = Resource(
        tenant="t",
        type="dataset",
        id="1",
        name="n",
        document=b"{}",
        revision=1,
        created_at=1,
        updated_at=2,
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(resource), type=Resource) == resource


@pytest.mark.parametrize("type", CONFIGURED_TYPES)
def test_what_comes_from_the_settings_cannot_be_written(type):
    with pytest.raises(Invalid, match="settings"):
        CatalogWrite(type=type, id="one", document=b"{}")
    assert CatalogWrite(type="dataset", id="one").type == "dataset"
