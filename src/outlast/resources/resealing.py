"""Secrets that stay: sealed anew with the first key, so that a key before it can go."""

import logging
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from outlast.engine.access import SYSTEM_TENANT
from outlast.operations.errors import RevisionMismatch, SecretMissing
from outlast.operations.kind import CatalogWrite, Resource
from outlast.resources.connections.keeping import about_secrets
from outlast.resources.connections.model import CONNECTION_SECRET
from outlast.resources.databases.model import PASSWORD
from outlast.resources.databases.passwords import about_password
from outlast.resources.keyring import Keyring, Sealed
from outlast.resources.walking import walk_resources
from outlast.store.port import CatalogStore

_ABOUT: Final[Mapping[str, Callable[[str, str], bytes]]] = {
    CONNECTION_SECRET: about_secrets,
    PASSWORD: about_password,
}
"""The types of resources that are a secret each, and what it is about: a tenant's, by its id."""

logger = logging.getLogger(__name__)


async def reseal(catalog: CatalogStore, keyring: Keyring) -> int:
    """Seal anew what another key than the first has sealed; how many. Of all tenants.

    What cannot be opened stays, and is told in the log.
    """
    done = 0
    async for tenant in walk_resources(catalog, SYSTEM_TENANT, "tenant"):
        for type in _ABOUT:
            async for resource in walk_resources(catalog, tenant.id, type):
                try:
                    done += await _reseal_one(catalog, keyring, resource)
                except RevisionMismatch:
                    pass  # whoever changed it meanwhile has sealed it with the first key
                except SecretMissing as error:
                    logger.warning("%s %s is not sealed anew: %s", type, resource.id, error)
    return done


async def _reseal_one(catalog: CatalogStore, keyring: Keyring, resource: Resource) -> bool:
    sealed = msgspec.json.decode(resource.document, type=Sealed)
    if sealed.key == keyring.names[0]:
        return False
    about = _ABOUT[resource.type](resource.tenant, resource.id)
    anew = keyring.seal(keyring.open(sealed, about), about)
    write = CatalogWrite(
        type=resource.type,
        id=resource.id,
        name=resource.name,
        document=msgspec.json.encode(anew),
        fields=resource.fields,
        expected_revision=resource.revision,
    )
    await catalog.write(resource.tenant, [write])
    return True
