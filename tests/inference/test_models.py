import msgspec
import pytest

from outlast.inference.models import BackendDocument, find_model, list_models
from outlast.operations.errors import NotFound
from outlast.operations.kind import Resource
from outlast.testing.running import ListedCatalog


def resource(type, name, document, created_at=1):
    return Resource(
        tenant="default",
        type=type,
        id=name,
        name=name,
        document=msgspec.json.encode(document),
        revision=1,
        created_at=created_at,
        updated_at=created_at,
    )


def backend(name, **fields):
    return resource("backend", name, BackendDocument(**fields))


def tuned(name, base, **files):
    return resource("model", name, {"base": base, "files": files, "operation_id": "x"})


NEAR = backend("near", url="http://127.0.0.1:1/v1", models=("small", "big=org/big-70b"))
FAR = backend("far", url="https://far.example/v1", models=("big", "huge"), has_key=True)
HOME = backend("tiny", folder="/models/tiny")


async def test_a_model_is_found_by_the_name_that_its_backend_lists():
    found = await find_model(ListedCatalog([NEAR]), "small")
    assert (found.backend, found.upstream, found.url) == ("near", "small", "http://127.0.0.1:1/v1")
    assert found.secret_ref is None


async def test_a_backend_may_have_another_name_for_a_model():
    assert (await find_model(ListedCatalog([NEAR]), "big")).upstream == "org/big-70b"


async def test_of_two_backends_the_first_by_name_serves_and_the_other_can_be_picked():
    catalog = ListedCatalog([NEAR, FAR])
    assert (await find_model(catalog, "big")).backend == "far"
    picked = await find_model(catalog, "near/big")
    assert (picked.backend, picked.name, picked.upstream) == ("near", "near/big", "org/big-70b")


async def test_the_key_of_a_backend_is_named_and_never_held():
    assert (await find_model(ListedCatalog([FAR]), "huge")).secret_ref == "backend:far"


async def test_a_local_folder_is_a_model_of_its_backends_name():
    found = await find_model(ListedCatalog([HOME]), "tiny")
    assert (found.folder, found.url) == ("/models/tiny", None)


async def test_a_tuned_model_is_served_from_its_own_files_over_its_base():
    found = await find_model(
        ListedCatalog([HOME, tuned("ft:tiny:x", "tiny", a="key")]), "ft:tiny:x"
    )
    assert (found.folder, found.base, found.files) == ("/models/tiny", "tiny", {"a": "key"})
    assert found.name == found.upstream == "ft:tiny:x"


async def test_a_tuned_model_without_its_base_is_not_there():
    catalog = ListedCatalog([NEAR, tuned("ft:gone", "gone"), tuned("ft:loop", "ft:loop")])
    for name in ("ft:gone", "ft:loop"):
        with pytest.raises(NotFound):
            await find_model(catalog, name)
    assert [model.name for model in await list_models(catalog)] == ["small", "big"]


async def test_an_unknown_model_is_refused_with_the_names_of_those_that_are_known():
    with pytest.raises(NotFound, match="no model 'nope'; known are small, big, tiny") as refused:
        await find_model(ListedCatalog([NEAR, HOME]), "nope")
    assert set(refused.value.field_errors) == {"model"}


async def test_without_any_backend_the_refusal_says_where_to_name_one():
    with pytest.raises(NotFound, match=r"\[backends.NAME\]"):
        await find_model(ListedCatalog(), "any")


async def test_the_list_has_each_model_once():
    listed = await list_models(ListedCatalog([NEAR, FAR, HOME, tuned("ft:a", "tiny")]))
    assert [(m.name, m.backend) for m in listed] == [
        ("big", "far"),
        ("huge", "far"),
        ("small", "near"),
        ("tiny", "tiny"),
        ("ft:a", "tiny"),
    ]
