import math

import msgspec
import pytest

from outlast.engine.preparing import OwnPreparer, decode_spec
from outlast.operations.errors import Invalid, InvalidSpec, NotFound
from outlast.operations.kind import CatalogWrite, Kind, Prepared


class Range(msgspec.Struct):
    first: int
    last: int


class Spec(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    ranges: list[Range] = []


def kind(prepare=None, spec=Spec):
    return Kind("thing", spec=spec, result=dict, run=lambda plan, context: None, prepare=prepare)


def test_a_spec_becomes_what_the_kind_says_it_is():
    spec = decode_spec(kind(), b'{"name":"a","ranges":[{"first":1,"last":2}]}')
    assert spec == Spec(name="a", ranges=[Range(first=1, last=2)])


@pytest.mark.parametrize(
    ("document", "field", "reason"),
    [
        (b'{"name":1}', "name", "Expected `str`, got `int`"),
        (b'{"name":"a","ranges":{}}', "ranges", "Expected `array`, got `object`"),
        (
            b'{"name":"a","ranges":[{"first":1,"last":"x"}]}',
            "ranges[0].last",
            "Expected `int`, got `str`",
        ),
        (b"{}", "name", "Object missing required field `name`"),
        (b'{"name":"a","nmae":1}', "nmae", "Object contains unknown field `nmae`"),
        (b"[]", "spec", "Expected `object`, got `array`"),
        (b"null", "spec", "Expected `object`, got `null`"),
    ],
)
def test_a_spec_that_does_not_fit_is_refused_with_the_field_and_the_reason(document, field, reason):
    with pytest.raises(InvalidSpec, match=r"^thing: ") as caught:
        decode_spec(kind(), document)
    assert caught.value.field_errors == {field: reason}


@pytest.mark.parametrize("document", [b"", b"{", b"nope", b'{"name":"a"} x'])
def test_a_spec_that_is_not_json_is_refused(document):
    with pytest.raises(InvalidSpec, match="thing: the spec is not JSON"):
        decode_spec(kind(), document)


def test_a_refusal_of_the_specs_own_type_is_a_refusal_of_the_spec():
    class Positive(msgspec.Struct):
        value: float

        def __post_init__(self):
            if not self.value > 0:
                raise ValueError("must be positive")

    with pytest.raises(InvalidSpec, match="must be positive"):
        decode_spec(kind(spec=Positive), b'{"value":-1}')


async def test_without_prepare_the_plan_is_the_spec_as_it_was_written():
    document = b'{ "name": "a" }'
    assert (await OwnPreparer().prepare(kind(), document, None)).plan is document


async def test_a_plain_prepare_gives_a_plan():
    prepared = await OwnPreparer().prepare(
        kind(lambda spec, catalog: {"path": spec.name + catalog}), b'{"name":"a"}', "/b"
    )
    assert prepared == Prepared(plan=b'{"path":"a/b"}')


async def test_an_async_prepare_may_name_writes_and_inputs():
    write = CatalogWrite(type="dataset", id="d")

    async def prepare(spec, catalog):
        return Prepared(plan=[spec.name], writes=[write], inputs={"in": "key"})

    prepared = await OwnPreparer().prepare(kind(prepare), b'{"name":"a"}', None)
    assert prepared == Prepared(plan=b'["a"]', writes=[write], inputs={"in": "key"})


async def test_what_prepare_raises_reaches_the_caller():
    def prepare(spec, catalog):
        raise NotFound("there is no such dataset")

    with pytest.raises(NotFound, match="no such dataset"):
        await OwnPreparer().prepare(kind(prepare), b'{"name":"a"}', None)


async def test_prepare_is_not_called_for_a_spec_that_does_not_fit():
    def prepare(spec, catalog):
        raise AssertionError

    with pytest.raises(InvalidSpec):
        await OwnPreparer().prepare(kind(prepare), b"{}", None)


async def test_a_plan_that_is_not_json_is_refused():
    with pytest.raises(Invalid, match="not a JSON document"):
        await OwnPreparer().prepare(kind(lambda *_: object()), b'{"name":"a"}', None)


async def test_a_plan_keeps_no_number_that_is_not_finite():
    prepared = await OwnPreparer().prepare(kind(lambda *_: [math.inf]), b'{"name":"a"}', None)
    assert prepared.plan == b"[null]"
