"""An attempt publishes into the datasets that `prepare` named, whatever its child says."""

import msgspec
import pytest

from outlast.operations.errors import Conflict
from outlast.operations.kind import Finish, Kind, Prepared
from outlast.operations.states import State


class Publication(msgspec.Struct, tag="dataset_version"):
    dataset: object


class Publisher:
    """Writes nothing, and remembers what it was asked to publish."""

    def __init__(self):
        self.datasets = []

    async def publish(self, publication):
        self.datasets.append(msgspec.json.decode(publication.document)["dataset"])
        return []


class Spec(msgspec.Struct):
    targets: list[str] | None
    dataset: object = None


async def prepare(spec, catalog):
    _ = catalog
    return Prepared(plan=spec, targets=spec.targets)


async def run(plan, context):
    dataset = context.operation_id if plan.dataset == "own" else plan.dataset
    return Finish(result=None, writes=[Publication(dataset=dataset)])


@pytest.mark.parametrize(
    ("spec", "is_allowed"),
    [
        ({"targets": None, "dataset": "any"}, True),
        ({"targets": ["mine"], "dataset": "mine"}, True),
        ({"targets": ["mine"], "dataset": "own"}, True),
        ({"targets": [], "dataset": "own"}, True),
        ({"targets": ["mine"], "dataset": "other"}, False),
        ({"targets": [], "dataset": "other"}, False),
        ({"targets": ["mine"], "dataset": ["mine"]}, False),
        ({"targets": ["mine"], "dataset": 7}, False),
    ],
)
async def test_only_targets_are_published_into(installation, work, spec, is_allowed):
    installation.add(
        Kind(
            "publishing",
            spec=Spec,
            plan=Spec,
            result=None,
            run=run,
            prepare=prepare,
            executor="inline",
        )
    )
    publisher = Publisher()
    work(publishers={"dataset_version": publisher})
    ended = await installation.end_of(await installation.submit("publishing", spec))
    if is_allowed:
        assert (ended.state, len(publisher.datasets)) == (State.SUCCEEDED, 1)
    else:
        assert (ended.state, publisher.datasets) == (State.FAILED, [])
        assert ended.failure.code == Conflict.code
