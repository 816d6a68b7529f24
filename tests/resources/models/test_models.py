import msgspec
import pytest
from datasets_for_tests import gather, principal
from publications import publication

from outlast.engine import Role
from outlast.inference.models import find_model
from outlast.operations.errors import Conflict, Forbidden, NotFound, ResourceExists
from outlast.operations.kind import CatalogWrite
from outlast.resources.files import Files
from outlast.resources.models import ModelCollector, ModelPublisher, Models, NewModel, name_model
from outlast.testing.running import ListedCatalog

OPERATION = "01J00000000000000000"
NAME = name_model("tiny", "animals", OPERATION)
FILES = {"adapter_config.json": "kept/0/config", "adapter_model.safetensors": "kept/0/weights"}


@pytest.fixture
async def publish(store, objects):
    for name in FILES.values():
        await objects.put_bytes(f"operations/{OPERATION}/{name}", name.encode())
    publisher = ModelPublisher(objects)

    async def publish(*, commit=True, **fields):
        wish = {"base": "tiny", "method": "lora", "step": 20, "files": FILES, "suffix": "animals"}
        document = msgspec.json.encode(NewModel(**(wish | {"is_final": True} | fields)))
        writes = await publisher.publish(publication(document, None, OPERATION))
        if commit:
            await store.catalog.write("default", writes)

    return publish


@pytest.fixture
async def engine_tenants(store):
    await store.catalog.write(
        "system", [CatalogWrite(type="tenant", id="default", name="default", document=b"{}")]
    )


@pytest.fixture
def files(store, objects, spool):
    return Files(store, objects, spool=spool, upload_bytes_max=1000)


@pytest.fixture
def models(store, objects):
    return Models(store.catalog, objects)


def test_a_models_name_says_what_it_is_made_of():
    assert f"ft:tiny:animals:{OPERATION}" == NAME
    assert name_model("tiny", None, OPERATION, 5) == f"ft:tiny:{OPERATION}:ckpt-step-5"


async def test_a_checkpoint_becomes_a_model_and_files(publish, models, ann, files):
    await publish(metrics={"train_loss": 0.5})
    [model] = await models.find(ann, operation_id=OPERATION)
    assert model == await models.get(ann, NAME) == await models.get(ann, model.id)
    assert (model.step, model.method, model.metrics) == (20, "lora", {"train_loss": 0.5})
    assert model.bytes == sum(len(name) for name in FILES.values())
    first = await files.get(ann, model.result_files[0])
    assert (first.name, first.purpose) == ("step-20-adapter_config.json", "fine-tune-results")
    assert await gather(files.read(ann, first.id)) == b"kept/0/config"


async def test_a_model_outlives_its_operations_files(publish, models, objects, store):
    await publish()
    for name in FILES.values():
        await objects.delete(f"operations/{OPERATION}/{name}")
    [resource] = await store.catalog.find("default", "model")
    keys = msgspec.json.decode(resource.document)["files"]
    assert await gather(objects.read(keys["adapter_model.safetensors"])) == b"kept/0/weights"


async def test_a_tuned_model_is_served_over_its_base(publish, store, ann):
    await publish()
    [resource] = await store.catalog.find("default", "model")
    document = msgspec.json.encode({"folder": "/models/tiny"})
    backend = msgspec.structs.replace(resource, type="backend", id="tiny", name="tiny")
    backend = msgspec.structs.replace(backend, document=document, fields={})
    served = await find_model(ListedCatalog([backend, resource]), NAME)
    assert (served.folder, served.base) == ("/models/tiny", "tiny")
    assert set(served.files) == set(FILES)


async def test_a_try_that_was_not_committed_does_no_harm(publish, models, ann):
    await publish(commit=False)
    await publish()
    with pytest.raises(ResourceExists):
        await publish()
    assert len(await models.find(ann)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"files": {"training_args.bin": "kept/0/config"}},
        {"files": {"optimizer.pt": "kept/0/config"}},
        {"files": {"../config.json": "kept/0/config"}},
        {"files": {"config.json": "../../other"}},
        {"files": {"config.json": "kept/0/nothing"}},
        {"files": {}},
        {"suffix": "a b"},
        {"base": ""},
        {"step": -1},
    ],
    ids=str,
)
async def test_what_could_run_code_or_leads_away_is_not_published(publish, models, ann, fields):
    with pytest.raises(Conflict):
        await publish(**fields)
    assert await models.find(ann) == []


async def test_only_who_made_a_model_or_an_operator_deletes_it(publish, models, ann, objects):
    await publish()
    with pytest.raises(Forbidden):
        await models.delete(principal("bob"), NAME)
    await models.delete(principal("olga", Role.OPERATOR), NAME)
    with pytest.raises(NotFound):
        await models.get(ann, NAME)
    assert [info async for info in objects.walk("tenant/default/models/")] == []


async def test_another_tenants_model_is_not_there(publish, models):
    await publish()
    with pytest.raises(NotFound):
        await models.get(principal("eve", tenant="other"), NAME)


async def test_objects_that_no_model_names_are_collected_after_a_day(
    publish, objects, store, clock, engine_tenants
):
    await publish(commit=False)
    await publish()
    collector = ModelCollector(store.catalog, objects, now=clock)
    clock.now = 4_000_000_000 * 1_000_000
    assert await collector.collect() == 2
    assert len([info async for info in objects.walk("tenant/default/models/")]) == 2
