"""What callers of models are answered here; what models answer is theirs, and passed on."""

from pathlib import Path

import msgspec
import pytest
from asking import KEY, MODEL
from model_double import Fault, ModelDouble
from serving import Serving

from outlast.settings import Backend
from outlast.testing.goldens import (
    check_golden,
    golden_files,
    golden_name,
    read_golden,
    request_of,
)

FOLDER = Path(__file__).parent / "nebius_inference"


@pytest.fixture
def double():
    with ModelDouble(models=("theirs",), key=KEY) as double:
        yield double


@pytest.fixture
async def serving(tmp_path, double):
    acme = Backend(url=double.url, models=(f"{MODEL}=theirs",), api_key_variable="ACME_KEY")
    serving = Serving(tmp_path, keys={"acme": KEY}, backends={"acme": acme})
    await serving.open()
    yield serving
    await serving.close()


@pytest.mark.parametrize("path", golden_files(FOLDER), ids=golden_name)
async def test_the_answer_is_the_golden_one(serving, double, path):
    golden = read_golden(path)
    if golden.given:
        status = int(golden.given.rpartition(" ")[2])
        double.fault = lambda _: Fault(status=status, retry_after="7", message="not like this")
    request = msgspec.to_builtins(request_of(golden))
    role = request["headers"].pop("role", "submitter")

    client = serving.client(None if role == "nobody" else role)
    answer = await client.request(**request)

    check_golden(path, golden, answer.status_code, answer.headers, answer.content)
