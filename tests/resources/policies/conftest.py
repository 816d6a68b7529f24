import pytest
from policy_process import PolicyProcess


@pytest.fixture(scope="module")
def process():
    process = PolicyProcess()
    yield process
    process.close()
