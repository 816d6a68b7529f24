import os

import pytest

from outlast.operations.errors import Invalid, OutboundRefused, Unavailable
from outlast.outbound import Gate
from outlast.resources.objects.foreign import open_foreign_store


@pytest.fixture(autouse=True)
def _no_variables_of_aws(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def gate():
    return Gate(resolve=lambda host, port: ["10.0.0.1" if "inside" in host else "8.8.8.8"])


async def opened(url, **options):
    async with open_foreign_store(url, **options):
        return True


async def test_a_bucket_on_the_public_internet_can_be_opened(gate):
    assert await opened("s3://bucket/prefix", gate=gate)
    assert await opened("s3://bucket", gate=gate, endpoint="https://store.example")


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:9000", "http://store.inside", "http://169.254.169.254/x"]
)
async def test_a_bucket_of_this_network_is_refused(gate, endpoint):
    with pytest.raises(OutboundRefused):
        await opened("s3://bucket", gate=gate, endpoint=endpoint)


@pytest.mark.parametrize(
    "url", ["", "bucket", "https://bucket", "s3://", "s3:///x", "s3://key:secret@bucket/x"]
)
async def test_what_is_no_bucket_is_invalid(gate, url):
    with pytest.raises(Invalid, match="s3://BUCKET"):
        await opened(url, gate=gate)


async def test_half_a_pair_of_keys_is_invalid(gate):
    with pytest.raises(Invalid, match="belong together"):
        await opened("s3://bucket", gate=gate, access_key="key")


async def test_keys_of_the_operator_are_not_sent_to_a_callers_bucket(gate, monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    with pytest.raises(Unavailable, match="AWS_"):
        await opened("s3://bucket", gate=gate)
