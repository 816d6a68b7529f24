"""Which place holds an installation's bytes: the data folder, or a bucket of the settings."""

import asyncio
import os
from collections.abc import Mapping

from outlast.datafolder import DataFolder
from outlast.resources.objects import LocalObjects, ObjectStore
from outlast.resources.objects.s3 import Bucket, BucketFailed, S3Objects
from outlast.settings import ObjectStoreSettings, Settings, SettingsError


def open_objects(
    settings: Settings, folder: DataFolder, environment: Mapping[str, str]
) -> ObjectStore:
    """The object store of these settings. Raises SettingsError."""
    if settings.objects is None:
        return LocalObjects(folder.objects)
    name = settings.objects
    if settings.object_stores[name].folder is not None:
        raise SettingsError(
            f"objects: object_stores.{name} is a folder of others; the data folder needs no setting"
        )
    try:
        return S3Objects(_bucket(settings.object_stores[name], environment))
    except ValueError as error:
        raise SettingsError(f"object_stores.{name}: {error}") from error


def check_folders(settings: Settings) -> None:
    """Refuse object stores that would show what is in the data folder. Raises SettingsError."""
    data = settings.data.resolve()
    for name, store in settings.object_stores.items():
        folder = store.folder
        if folder is None:
            continue
        found = folder.resolve()
        if found.is_relative_to(data) or data.is_relative_to(found):
            raise SettingsError(
                f"object_stores.{name}: a folder that is in the data folder, or that it is in,"
                " would show what is there"
            )


async def check_objects(settings: Settings, objects: ObjectStore) -> None:
    """Try a bucket, before anything relies on it. Raises SettingsError."""
    if isinstance(objects, S3Objects):
        try:
            await objects.probe()
        except BucketFailed as error:
            raise SettingsError(f"object_stores.{settings.objects}: {error.reason}") from error


def try_objects(settings: Settings) -> None:
    """Open and try the object store of these settings. Raises SettingsError."""
    objects = open_objects(settings, DataFolder(settings.data), os.environ)
    asyncio.run(check_objects(settings, objects))


def _bucket(store: ObjectStoreSettings, environment: Mapping[str, str]) -> Bucket:
    keys = [
        _key(variable, environment)
        for variable in (store.access_key_variable, store.secret_key_variable)
    ]
    if keys.count(None) == 1:
        raise ValueError("access_key_variable and secret_key_variable belong together")
    return Bucket(
        url=store.url,
        endpoint=store.endpoint,
        region=store.region,
        access_key=keys[0],
        secret_key=keys[1],
    )


def _key(variable: str | None, environment: Mapping[str, str]) -> str | None:
    if variable is None:
        return None
    if not environment.get(variable):
        raise ValueError(f"the variable {variable} is not set")
    return environment[variable]
