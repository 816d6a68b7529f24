import pytest
from chats_for_tests import TwoModels
from lake import a_lake

from outlast.resources.playgrounds import Playgrounds


@pytest.fixture
def double():
    with TwoModels() as double:
        yield double


@pytest.fixture
async def lake(tmp_path, double):
    """A lake with the two models; `playgrounds` are its playgrounds."""
    async with a_lake(tmp_path, backends=double.backends()) as made:
        made.playgrounds = Playgrounds(made.store)
        yield made
