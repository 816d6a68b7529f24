import pytest
from serving import Serving


@pytest.fixture
async def serving(tmp_path):
    serving = Serving(tmp_path)
    await serving.open()
    yield serving
    await serving.close()
    assert serving.engine.watchers == 0


@pytest.fixture
def client(serving):
    return serving.client("admin")
