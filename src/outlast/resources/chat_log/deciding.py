"""Which tenants are logged: each decides for itself, unless the server logs nobody."""

from typing import Final

import msgspec

from outlast.engine.access import Principal, Verb
from outlast.operations import documents
from outlast.operations.kind import CatalogWrite
from outlast.store.port import AuditEntry, CatalogStore

SETTING: Final = "setting"
SETTING_ID: Final = "chat_log"


class TenantSetting(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant has decided about its chat log."""

    is_enabled: bool = True


class ChatLogSettings:
    """The decisions of all tenants; every call is scoped by its principal."""

    def __init__(self, catalog: CatalogStore) -> None:
        self._catalog = catalog

    async def get(self, principal: Principal) -> TenantSetting:
        """What the principal's tenant has decided."""
        principal.require(Verb.READ)
        found = await self._catalog.read(principal.tenant, SETTING, SETTING_ID)
        if found is None:
            return TenantSetting()
        return msgspec.json.decode(found.document, type=TenantSetting)

    async def set(self, principal: Principal, setting: TenantSetting) -> None:
        """Decide for the principal's tenant, from the next request on."""
        principal.require(Verb.ADMINISTER)
        write = CatalogWrite(type=SETTING, id=SETTING_ID, document=documents.encode(setting))
        audit = AuditEntry(
            actor=principal.member,
            action="chat_log.on" if setting.is_enabled else "chat_log.off",
            target=principal.tenant,
        )
        await self._catalog.write(principal.tenant, [write], audit)
