"""The server: the API, the chores, and the worker process below it."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from outlast.app.foundation import Foundation, lay_foundation
from outlast.app.inference import load_redact, open_chat_log, open_relay, vector_databases
from outlast.app.kinds import install_kinds, kinds_to_claim
from outlast.app.objects import check_objects
from outlast.datafolder import DataFolder
from outlast.engine import Engine, Hub, Principal, Role
from outlast.engine.access import DEFAULT_TENANT
from outlast.engine.ticking import Ticker
from outlast.engine.tokens import Tokens
from outlast.http import DIALECTS, Parts, Site, plan_addresses
from outlast.operations.errors import ResourceExists
from outlast.processes import Listener, Listening, bind, keep_running
from outlast.resources.connections import Connections
from outlast.resources.credentials import Credentials
from outlast.resources.evaluations import Evaluations
from outlast.resources.pipe_tables.library import PipeTables
from outlast.resources.playgrounds import Playgrounds
from outlast.resources.policies.library import Policies
from outlast.resources.stacks import Stacks
from outlast.settings import Settings, encode_settings
from outlast.store.port import Store
from outlast.worker.supervisor import Supervisor

ROOT: Final = Principal(tenant=DEFAULT_TENANT, member="root", role=Role.ROOT)
"""Whoever has access to the data folder: allowed everything."""

_LOCK_WAIT_SECONDS: Final = 10.0


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What a server tells once it answers. `token_file` holds the admin token.

    `profiles` are the addresses of the dialects: by a profile's name, or, for those that have no
    profile, by the dialect's.
    """

    url: str
    profiles: Mapping[str, str]
    data: Path
    token_file: Path
    token_is_new: bool


async def serve(
    settings: Settings,
    *,
    admin_token: str | None = None,
    started: Callable[[Started], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises SettingsError and DataFolderInUse."""
    # What is wrong with either is told before anything is touched.
    installed = install_kinds(settings)
    if settings.workers:
        kinds_to_claim(settings, installed)
    load_redact(settings)
    folder = DataFolder(settings.data)
    folder.make()
    async with AsyncExitStack() as stack:
        lock = await asyncio.to_thread(folder.lock, _LOCK_WAIT_SECONDS)
        stack.callback(os.close, lock)
        listeners = bind(stack, plan_addresses(settings, DIALECTS))
        foundation = await lay_foundation(stack, settings, has_modules=True)
        await check_objects(settings, foundation.objects)
        token_is_new = await _first_admin(foundation.store, folder, admin_token)
        hub = Hub(foundation.store.operations, settings.limits.watchers)
        hub.open()
        stack.callback(hub.close)
        parts = _open_parts(stack, foundation, hub)
        site = Site(parts, ready=_readiness(foundation.store), version=version("outlast"))
        keep_running(stack, foundation.chores().run())
        keep_running(stack, Ticker(parts.engine).run())
        keep_running(stack, foundation.collect(parts.engine))
        supervisor = None
        if settings.workers:
            for_worker = msgspec.structs.replace(settings, data=settings.data.absolute())
            supervisor = Supervisor("outlast.app", encode_settings(for_worker), [lock])

        def tell() -> None:
            url = settings.public_url or listeners[0].url
            started(
                Started(
                    url=url,
                    profiles=_profile_urls(settings, url, listeners),
                    data=folder.root,
                    token_file=folder.admin_token,
                    token_is_new=token_is_new,
                )
            )

        applications = [
            (site.main if name is None else site.alone(name), listener.socket)
            for listener in listeners
            for name in [listener.address.profile]
        ]
        await Listening(applications, hub, supervisor, settings).run(tell)


def _profile_urls(settings: Settings, main: str, listeners: Sequence[Listener]) -> dict[str, str]:
    """Where each profile is, and each dialect that has none."""
    urls = {
        name: main if dialect.fixed_paths else f"{main.rstrip('/')}/{name}"
        for name, (dialect, _) in DIALECTS.items()
    }
    port = listeners[0].socket.getsockname()[1]
    bound = {one.address.profile: one.url for one in listeners}
    for name, profile in settings.profiles.items():
        known_by = [f"http://{host}:{port}" for host in profile.hosts]
        ways = [profile.public_url, bound.get(name), *known_by, urls[profile.dialect]]
        urls[name] = next(way for way in ways if way)
    return urls


def _open_parts(stack: AsyncExitStack, foundation: Foundation, hub: Hub) -> Parts:
    settings = foundation.settings
    log = open_chat_log(stack, foundation)
    # A chat that has been answered is in the history that is asked for next.
    foundation.preparers.before("materialize_history", log.publish)
    sandbox = foundation.warm_sandbox(stack)
    datasets = foundation.datasets(sandbox)
    relay = open_relay(stack, foundation, log)
    engine = Engine(
        foundation.store,
        foundation.installed.kinds,
        hub=hub,
        limits=settings.limits,
        retention=settings.retention,
        preparer=foundation.preparers,
        sharing=foundation.shares.current,
    )
    return Parts(
        engine=engine,
        tokens=Tokens(foundation.store),
        datasets=datasets,
        uploads=foundation.uploads(datasets),
        secrets=foundation.secrets,
        files=foundation.files(),
        models=foundation.models(),
        databases=foundation.databases(),
        services=foundation.services(),
        pipe_tables=PipeTables(foundation.store),
        vector_databases=vector_databases(foundation, sandbox, relay),
        playgrounds=Playgrounds(foundation.store),
        evaluations=Evaluations(foundation.store),
        stacks=Stacks(engine, foundation.secrets, foundation.objects, foundation.keyring),
        connections=Connections(engine, foundation.keyring),
        credentials=Credentials(foundation.store, foundation.keyring),
        evidences=foundation.evidences(sandbox),
        policies=Policies(foundation.store, sandbox),
        relay=relay,
        chat_log=log,
        settings=settings,
    )


async def _first_admin(store: Store, folder: DataFolder, text: str | None) -> bool:
    """See that there is a default tenant and a first admin token; whether one was made."""
    tokens = Tokens(store)
    with contextlib.suppress(ResourceExists):
        await tokens.create_tenant(ROOT, DEFAULT_TENANT)
    if text is not None:
        await tokens.adopt(text, DEFAULT_TENANT, "admin", Role.ADMIN)
        folder.write_secret(folder.admin_token, text)
        return False
    if folder.admin_token.exists():
        return False
    _, made = await tokens.create(ROOT, Role.ADMIN, member="admin")
    folder.write_secret(folder.admin_token, made)
    return True


def _readiness(store: Store) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        await store.catalog.read(DEFAULT_TENANT, "readiness", "none")

    return check
