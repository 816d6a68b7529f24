"""The chat log: what was asked of the models served here, and what they answered."""

from outlast.resources.chat_log.deciding import ChatLogSettings, TenantSetting
from outlast.resources.chat_log.journal import Journal
from outlast.resources.chat_log.keeping import Keeper
from outlast.resources.chat_log.log import ChatLog, Redact
from outlast.resources.chat_log.model import Entry
from outlast.resources.chat_log.publishing import SegmentPublisher

__all__ = [
    "ChatLog",
    "ChatLogSettings",
    "Entry",
    "Journal",
    "Keeper",
    "Redact",
    "SegmentPublisher",
    "TenantSetting",
]
