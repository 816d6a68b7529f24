import httpx2
import pytest
from model_double import Fault, ModelDouble

from outlast.inference import endpoints
from outlast.inference.endpoints import NO_KEY, open_endpoint
from outlast.inference.models import ServedModel
from outlast.operations.errors import OutboundRefused, Unavailable


@pytest.fixture
def double():
    with ModelDouble() as running:
        yield running


def served(**fields):
    return ServedModel(name="m", upstream="double", backend="near", **fields)


async def test_an_endpoint_says_how_its_backend_is_asked(double):
    async with open_endpoint(served(url=double.url + "/"), "k") as endpoint:
        assert (endpoint.base_url, endpoint.api_key) == (double.url, "k")
        assert endpoint.model == "double"
        answer = await endpoint.http.get(f"{endpoint.base_url}/models")
        assert answer.json()["data"][0]["id"] == "double"
    async with open_endpoint(served(url=double.url), None) as endpoint:
        assert endpoint.api_key == NO_KEY


async def test_an_endpoint_reaches_its_backend_and_nothing_else(double):
    with ModelDouble() as other:
        async with open_endpoint(served(url=double.url), None) as endpoint:
            with pytest.raises(OutboundRefused):
                await endpoint.http.get(f"{other.url}/models")


async def test_an_answer_has_a_bound(double, monkeypatch):
    monkeypatch.setattr(endpoints, "ANSWER_BYTES_MAX", 1000)
    double.answer = lambda _: b" " * 1001
    async with open_endpoint(served(url=double.url), None) as endpoint:
        with pytest.raises(httpx2.ReadError, match="more than 1000 bytes"):
            await endpoint.http.post(f"{endpoint.base_url}/embeddings", json={"model": "double"})


async def test_a_slow_backend_is_given_up_in_time(double):
    double.fault = lambda _: Fault(seconds=5)
    model = served(url=double.url, timeout_seconds=0.05)
    async with open_endpoint(model, None) as endpoint:
        with pytest.raises(httpx2.ReadTimeout):
            await endpoint.http.post(f"{endpoint.base_url}/embeddings", json={"model": "double"})


async def test_a_model_that_is_served_nowhere_says_so():
    with pytest.raises(Unavailable, match="served nowhere"):
        async with open_endpoint(served(), None):
            pass
