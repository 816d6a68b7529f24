"""What can be set, read once at the edge into frozen objects.

A flag beats an environment variable (OUTLAST_*), which beats the settings file (TOML), which beats
the default. Nothing below the composition root reads the environment.
"""

from outlast.settings.loading import (
    VARIABLES,
    Settings,
    SettingsError,
    decode_settings,
    encode_settings,
    load_settings,
)
from outlast.settings.tables import (
    Backend,
    ChatLog,
    ConnectionsSettings,
    Databases,
    EvidenceKey,
    EvidenceSettings,
    Infrastructure,
    InstanceTypesSettings,
    KindShare,
    Limits,
    ModuleSettings,
    NodeOverhead,
    ObjectStoreSettings,
    Outbound,
    Profile,
    Recovery,
    Retention,
    ServiceSettings,
    Sharing,
    TenantShare,
)

__all__ = [
    "VARIABLES",
    "Backend",
    "ChatLog",
    "ConnectionsSettings",
    "Databases",
    "EvidenceKey",
    "EvidenceSettings",
    "Infrastructure",
    "InstanceTypesSettings",
    "KindShare",
    "Limits",
    "ModuleSettings",
    "NodeOverhead",
    "ObjectStoreSettings",
    "Outbound",
    "Profile",
    "Recovery",
    "Retention",
    "ServiceSettings",
    "Settings",
    "SettingsError",
    "Sharing",
    "TenantShare",
    "decode_settings",
    "encode_settings",
    "load_settings",
]
