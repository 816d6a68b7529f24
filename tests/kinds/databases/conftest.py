import pytest
from lake import a_lake
from postgres_server import pytest_sessionfinish  # noqa: F401  a hook, known by its name


@pytest.fixture
async def lake(tmp_path):
    async with a_lake(tmp_path) as lake:
        yield lake
