"""outlast token, outlast tenant, outlast audit."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from outlast.cli.commands import command, group
from outlast.cli.offices import FolderOffice, Office, ServerOffice
from outlast.cli.screen import Screen
from outlast.cli.session import (
    Session,
    data_folder,
    given_token,
    json_option,
    server_options,
    talking,
)
from outlast.cli.values import Duration
from outlast.cli.wording import age, instant, moment
from outlast.client.answers import NewToken

ROLES = ("viewer", "submitter", "operator", "admin", "root")


def _at_an_office(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the Office and the Screen, and the options that say which office."""

    @server_options
    @click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        help="The server's data folder, or OUTLAST_DATA; ./outlast-data if not set.",
    )
    @json_option
    @wraps(function)
    def wrapper(
        *args: Any,
        url: str,
        token_file: Path | None,
        tenant: str | None,
        data: Path | None,
        as_json: bool,
        **rest: Any,
    ) -> Any:
        screen = Screen(is_json=as_json)
        with _office(url, token_file, tenant, data, screen) as office:
            return function(office, screen, *args, **rest)

    return wrapper


@contextmanager
def _office(
    url: str, token_file: Path | None, tenant: str | None, data: Path | None, screen: Screen
) -> Iterator[Office]:
    token = None if data is not None else given_token(token_file, os.environ)
    if token is None:
        yield FolderOffice(data_folder(data, os.environ), tenant)
        return
    session = Session(url, token, tenant, screen)
    with session.client:
        yield ServerOffice(session.client)


@group("token", (("A token for a colleague", "outlast token create --role submitter"),))
def token() -> None:
    """Make, list, rotate and revoke tokens.

    With OUTLAST_TOKEN or --token-file the server is asked, and the token's role decides. Without,
    or with --data, the data folder is opened: whoever has access to it is root, and the server
    need not be running.
    """


@command(
    "create",
    (
        ("For a pipeline that submits", "outlast token create --role submitter --member pipeline"),
        ("For the admin of a tenant, for a day",
         "outlast token create --tenant data-team --role admin --expires 1d"),
        ("Into a file that only you can read",
         "(umask 077 && outlast token create --role viewer > token)"),
    ),
)  # fmt: skip
@click.option("--role", type=click.Choice(ROLES), required=True, help="What it may do.")
@click.option("--member", help="Whose it is: the name in the audit log.")
@click.option("--expires", type=Duration(), help="Refused after this long (12h, 90d).")
@_at_an_office
def create_token(
    office: Office, screen: Screen, *, role: str, member: str | None, expires: float | None
) -> None:
    """Make a token and print it, this once."""
    _show_new(screen, office.create_token(role, member, expires))


@command(
    "list",
    (
        ("The tokens of your tenant", "outlast token list"),
        ("As JSON", "outlast token list --json | jq '.tokens[].id'"),
    ),
)
@_at_an_office
def list_tokens(office: Office, screen: Screen) -> None:
    """List the tokens, without their secrets."""
    found = office.tokens()
    if screen.is_json:
        screen.json({"tokens": found})
        return
    screen.table(
        ["id", "role", "member", "created", "created by", "expires"],
        [
            (
                one.id,
                one.role,
                one.member,
                "" if one.created_at is None else age(one.created_at),
                one.created_by,
                instant(one.expires_at) or "never",
            )
            for one in found
        ],
    )


@command(
    "rotate",
    (
        ("A new secret for an old token", "outlast token rotate 06A1B2C3D4E5F6G7H8J9"),
        ("In a script", "outlast token rotate 06A1B2C3D4E5F6G7H8J9 --json | jq -r .secret"),
    ),
)
@click.argument("id")
@_at_an_office
def rotate_token(office: Office, screen: Screen, id: str) -> None:
    """Give a token a new secret, and print it this once.

    The old secret is refused at once.
    """
    _show_new(screen, office.rotate_token(id))


@command(
    "revoke",
    (
        ("Refuse a token from now on", "outlast token revoke 06A1B2C3D4E5F6G7H8J9"),
        ("In a script", "outlast token revoke 06A1B2C3D4E5F6G7H8J9 --json"),
    ),
)
@click.argument("id")
@_at_an_office
def revoke_token(office: Office, screen: Screen, id: str) -> None:
    """Refuse the token ID from now on."""
    office.revoke_token(id)
    if screen.is_json:
        screen.json({"revoked": [id]})
    else:
        screen.line(f"{id} is revoked.")


@group("tenant", (("A tenant for a team", "outlast tenant create data-team"),))
def tenant() -> None:
    """Make and list tenants, which everything else belongs to.

    Only a root token may, or whoever has access to the data folder. Whether chats are logged is
    for the admins of a tenant too.
    """


@command(
    "create",
    (
        ("A tenant for a team", "outlast tenant create data-team"),
        ("Then its first token", "outlast token create --tenant data-team --role admin"),
    ),
)
@click.argument("name")
@_at_an_office
def create_tenant(office: Office, screen: Screen, name: str) -> None:
    """Create the tenant NAME."""
    made = office.create_tenant(name)
    if screen.is_json:
        screen.json(made)
        return
    screen.line(f"{made.name} is there: {made.id}")
    screen.note(f"Its first token: outlast token create --tenant {made.name} --role admin")


@command(
    "list",
    (
        ("All tenants", "outlast tenant list"),
        ("As JSON", "outlast tenant list --json | jq '.tenants[].name'"),
    ),
)
@_at_an_office
def list_tenants(office: Office, screen: Screen) -> None:
    """List the tenants."""
    found = office.tenants()
    if screen.is_json:
        screen.json({"tenants": found})
        return
    screen.table(
        ["name", "id", "created"],
        [
            (one.name, one.id, "" if one.created_at is None else age(one.created_at))
            for one in found
        ],
    )


@command(
    "chat-log",
    (
        ("Is what we ask of models logged?", "outlast tenant chat-log"),
        ("Not from now on, in the tenant of a team",
         "outlast tenant chat-log off --tenant data-team"),
        ("In a script", "outlast tenant chat-log --json | jq .is_logged"),
    ),
)  # fmt: skip
@click.argument("switch", type=click.Choice(["on", "off"]), required=False)
@_at_an_office
def chat_log(office: Office, screen: Screen, *, switch: str | None) -> None:
    """Say, or show, whether the tenant's chats are logged.

    An admin of the tenant may decide, and whoever has access to the data folder. What was logged
    before stays until its time is over.
    """
    setting = office.chat_log(is_enabled=None if switch is None else switch == "on")
    if screen.is_json:
        screen.json(setting)
    elif setting.is_logged:
        screen.line("Chats are logged.")
    elif setting.is_enabled:
        screen.line("Chats are not logged: the server's settings say so.")
    else:
        screen.line("Chats are not logged: the tenant decided so.")


@command(
    "audit",
    (
        ("Who did what lately", "outlast audit"),
        ("Everything before a record, as JSON", "outlast audit --before 1200 --json"),
    ),
)
@click.option("--before", type=click.IntRange(1), help="Records with a smaller number.")
@click.option(
    "--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many."
)
@talking
def audit(session: Session, *, before: int | None, limit: int) -> None:
    """Show who created, cancelled, deleted, or made a token.

    The newest records come first.
    """
    found = session.client.audit(before=before, limit=limit)
    screen = session.screen
    if screen.is_json:
        screen.json({"records": found})
        return
    screen.table(
        ["number", "at", "actor", "action", "target", "data"],
        [
            (one.number, moment(one.at), one.actor, one.action, one.target, one.data or "")
            for one in found
        ],
        right=frozenset({"number"}),
    )


def _show_new(screen: Screen, made: NewToken) -> None:
    if screen.is_json:
        screen.json(made)
        return
    screen.note(f"Token {made.token.id} for {made.token.member} ({made.token.role}):")
    screen.line(made.secret)
    screen.note("It is shown this once. Set it as OUTLAST_TOKEN.")


for _command in (create_token, list_tokens, rotate_token, revoke_token):
    token.add_command(_command)
for _command in (create_tenant, list_tenants, chat_log):
    tenant.add_command(_command)
