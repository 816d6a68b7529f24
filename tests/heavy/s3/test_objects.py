import time

import msgspec
import obstore
import pytest

from outlast.operations.errors import Unavailable
from outlast.resources.objects.s3 import BucketFailed, S3Objects
from outlast.testing.objects_contract import ObjectsContract


class TestS3Objects(ObjectsContract):
    """`objects` is below a prefix of a bucket on a real server."""


async def test_a_place_that_works_passes_the_probe_and_is_left_as_it_was(objects):
    await objects.probe()
    assert [info async for info in objects.walk("")] == []
    assert await objects.delete_leftovers(before=2**62) == 0


async def test_places_do_not_see_each_other(objects, bucket):
    await objects.put_bytes("a/b", b"x")
    other = S3Objects(msgspec.structs.replace(bucket, url=bucket.url + "2"))
    assert [info async for info in other.walk("")] == []
    assert await other.find("a/b") is None


async def test_wrong_keys_are_told_without_showing_them(bucket):
    wrong = msgspec.structs.replace(bucket, secret_key="not-the-secret")
    with pytest.raises(BucketFailed) as caught:
        await S3Objects(wrong).probe()
    assert "refuses the keys" in caught.value.reason
    assert bucket.endpoint not in caught.value.message
    assert "not-the-secret" not in caught.value.reason + repr(wrong)


async def test_a_server_that_is_away_is_unavailable_and_not_waited_for(bucket):
    away = msgspec.structs.replace(bucket, endpoint="http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await S3Objects(away).find("a/b")
    assert time.monotonic() - began < 70


async def test_leftovers_are_no_objects_and_can_be_removed(objects, s3_server, bucket):
    place = bucket.url.removeprefix("s3://outlast/")
    await obstore.put_async(s3_server.store(), f"{place}/.incoming/half", b"x")
    assert [info async for info in objects.walk("")] == []
    assert await objects.delete_leftovers(before=1) == 0
    assert await objects.delete_leftovers(before=2**62) == 1
