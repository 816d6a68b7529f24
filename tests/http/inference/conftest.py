import pytest
from asking import KEY, MODEL, official_client
from model_double import ModelDouble
from serving import Serving

from outlast.settings import Backend, ChatLog


@pytest.fixture
def double():
    with ModelDouble(models=("theirs",), key=KEY) as double:
        yield double


@pytest.fixture
async def make_serving(tmp_path, double):
    """Makes a server with one backend, the double unless `url` says otherwise."""
    made = []

    async def make(limits=None, redact=None, chat_log=None, **fields):
        fields = {"url": double.url, "concurrency": 2, "timeout_seconds": 5} | fields
        acme = Backend(models=(f"{MODEL}=theirs",), api_key_variable="ACME_KEY", **fields)
        one = Serving(
            tmp_path,
            limits=limits,
            redact=redact,
            keys={"acme": KEY},
            backends={"acme": acme},
            chat_log=chat_log or ChatLog(),
        )
        made.append(one)
        await one.open()
        return one

    yield make
    for one in made:
        await one.close()


@pytest.fixture
async def serving(make_serving):
    return await make_serving()


@pytest.fixture
async def port(serving):
    async with serving.listening() as port:
        yield port


@pytest.fixture
async def official(serving, port):
    async with official_client(serving, port) as client:
        yield client
