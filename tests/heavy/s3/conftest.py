import secrets

import pytest

from outlast.resources.objects.s3 import Bucket, S3Objects

pytest.register_assert_rewrite("outlast.testing.objects_contract")


@pytest.fixture
def bucket(s3_server):
    """An empty place in a bucket of a real server."""
    return Bucket(
        url=f"s3://outlast/{secrets.token_hex(8)}/prefix",
        endpoint=s3_server.endpoint,
        access_key=s3_server.access_key,
        secret_key=s3_server.secret_key,
    )


@pytest.fixture
def objects(bucket):
    return S3Objects(bucket)
