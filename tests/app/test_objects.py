import pytest

from outlast.app.objects import check_folders, open_objects
from outlast.datafolder import DataFolder
from outlast.resources.objects import LocalObjects
from outlast.resources.objects.s3 import S3Objects
from outlast.settings import ObjectStoreSettings, Settings, SettingsError


def opened(tmp_path, environment=(), **store):
    settings = Settings()
    if store:
        store.setdefault("url", "s3://bucket/prefix")
        settings = Settings(object_stores={"main": ObjectStoreSettings(**store)}, objects="main")
    return open_objects(settings, DataFolder(tmp_path), dict(environment))


KEYS = {"access_key_variable": "KEY", "secret_key_variable": "SECRET"}
BOTH = {"KEY": "k", "SECRET": "the-secret"}


def test_without_a_setting_bytes_lie_in_the_data_folder(tmp_path):
    assert isinstance(opened(tmp_path), LocalObjects)


def test_a_bucket_gets_its_keys_from_the_environment(tmp_path):
    assert isinstance(opened(tmp_path, BOTH, **KEYS), S3Objects)
    assert isinstance(opened(tmp_path, endpoint="http://127.0.0.1:9000"), S3Objects)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "store", "says"),
    [
        ({"KEY": "k"}, KEYS, "the variable SECRET is not set"),
        ({"KEY": "", "SECRET": "s"}, KEYS, "the variable KEY is not set"),
        (BOTH, {"access_key_variable": "KEY"}, "belong together"),
        ({}, {"url": "https://bucket"}, "s3://BUCKET"),
        ({}, {"url": "s3://"}, "s3://BUCKET"),
        ({}, {"url": "s3://key:secret@bucket"}, "s3://BUCKET"),
    ],
)
def test_what_is_no_bucket_is_told_by_its_name(tmp_path, environment, store, says):
    with pytest.raises(SettingsError, match=says) as caught:
        opened(tmp_path, environment, **store)
    assert str(caught.value).count("object_stores.main") == 1
    assert "the-secret" not in str(caught.value)


def test_a_store_that_is_not_in_the_settings_is_refused():
    with pytest.raises(ValueError, match=r"no \[object_stores.other\]"):
        Settings(objects="other")


@pytest.mark.parametrize("place", ["data", "data/objects", ".", "link"])
def test_a_folder_that_would_show_the_data_folder_is_refused(tmp_path, place):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    store = ObjectStoreSettings(url=f"file://{tmp_path / place}")
    settings = Settings(data=tmp_path / "data", object_stores={"lake": store})
    with pytest.raises(SettingsError, match=r"object_stores\.lake"):
        check_folders(settings)


def test_a_folder_beside_the_data_folder_is_a_place_to_read_from(tmp_path):
    store = ObjectStoreSettings(url=f"file://{tmp_path}/data-of-others")
    check_folders(Settings(data=tmp_path / "data", object_stores={"lake": store}))


def test_the_own_bytes_do_not_lie_in_a_folder_of_others(tmp_path):
    with pytest.raises(SettingsError, match="folder of others"):
        opened(tmp_path, url="file:///srv/exports")


@pytest.mark.parametrize(
    "fields", [{"url": "file://host/x"}, {"url": "file:///x", "endpoint": "http://e.test"}]
)
def test_a_folder_is_named_by_its_absolute_path_alone(fields):
    with pytest.raises(ValueError, match="folder"):
        ObjectStoreSettings(**fields)
