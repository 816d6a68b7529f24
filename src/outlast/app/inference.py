"""What asks models for callers, and the chat log: parts of the server alone."""

import importlib
from contextlib import AsyncExitStack

from outlast.app.foundation import Foundation
from outlast.executors.calls import Sandbox
from outlast.inference.embedding import RelayEmbedder
from outlast.inference.relaying import Relay
from outlast.inference.warm import WarmEndpoints
from outlast.processes import keep_running
from outlast.resources.chat_log import ChatLog, Journal, Redact, SegmentPublisher
from outlast.resources.vector_databases import VectorDatabases
from outlast.settings import Settings, SettingsError


def load_redact(settings: Settings) -> Redact | None:
    """The hook that the settings name, or None. Raises SettingsError."""
    named = settings.chat_log.redact
    if named is None:
        return None
    module, _, name = named.partition(":")
    try:
        hook: Redact = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"chat_log.redact: {named!r} is not MODULE:FUNCTION: {error}"
        ) from error
    if not callable(hook):
        raise SettingsError(f"chat_log.redact: {named!r} is not a function")
    return hook


def open_chat_log(stack: AsyncExitStack, foundation: Foundation) -> ChatLog:
    """The chat log, which publishes until the stack unwinds, and then what is left."""
    settings, now = foundation.settings, foundation.store.operations.now
    journal = Journal(foundation.folder.chat_journal, now)
    journal.open()
    log = ChatLog(
        foundation.store.catalog,
        journal,
        SegmentPublisher(foundation.store.catalog, foundation.objects, journal),
        foundation.chat_keeper(),
        now=now,
        entry_bytes_max=settings.limits.chat_entry_bytes,
        is_enabled=settings.chat_log.is_enabled,
        redact=load_redact(settings),
    )
    stack.push_async_callback(log.close)
    keep_running(stack, log.run())
    return log


def open_relay(stack: AsyncExitStack, foundation: Foundation, log: ChatLog) -> Relay:
    """What asks models; the processes of local ones end when the stack unwinds."""
    endpoints = WarmEndpoints(
        foundation.secrets.backend_key,
        foundation.objects.fetch,
        foundation.folder.spool,
        connection_key=foundation.secrets.connection_key,
    )
    stack.push_async_callback(endpoints.close)
    keep_running(stack, endpoints.run())
    return Relay(
        foundation.store.catalog,
        endpoints,
        log,
        answer_bytes_max=foundation.settings.limits.chat_answer_bytes,
    )


def vector_databases(foundation: Foundation, sandbox: Sandbox, relay: Relay) -> VectorDatabases:
    """The vector databases of all tenants: to search them, models are asked."""
    return VectorDatabases(
        foundation.store,
        foundation.objects,
        sandbox,
        RelayEmbedder(relay),
        spool=foundation.folder.spool,
    )
