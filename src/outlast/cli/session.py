"""Whom a command talks to: the server, who one is there, and where the answer goes."""

import os
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from outlast.cli.screen import Screen
from outlast.client.connecting import DEFAULT_URL, OnRetry, is_loopback
from outlast.client.sync import Client

DATA_DEFAULT: Final = Path("outlast-data")
_RETRIES_MAX: Final = 3


class Session:
    """One command's client and screen. `on_retry` is told when something is tried again."""

    def __init__(self, url: str, token: str | None, tenant: str | None, screen: Screen) -> None:
        self.screen = screen
        self.on_retry: OnRetry | None = None
        self.client = Client(
            url, token, tenant=tenant, retries_max=_RETRIES_MAX, on_retry=self._trying_again
        )

    def _trying_again(self, reason: str, seconds: float) -> None:
        if self.on_retry is not None:
            self.on_retry(reason, seconds)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--json`, as the argument `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, for scripts, instead of text."
    )(function)


def server_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say which server, and as whom."""
    for option in reversed(
        (
            click.option(
                "--url",
                envvar="OUTLAST_URL",
                default=DEFAULT_URL,
                show_default=True,
                help="The server's address, or OUTLAST_URL.",
            ),
            click.option(
                "--token-file",
                type=click.Path(path_type=Path, dir_okay=False),
                help="A file that holds the token; without it, OUTLAST_TOKEN.",
            ),
            click.option(
                "--tenant", help="The tenant to act in: for root tokens, which belong to none."
            ),
        )
    ):
        function = option(function)
    return function


def talking(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command its Session as the first argument, and the options that make one."""

    @server_options
    @json_option
    @wraps(function)
    def wrapper(
        *args: Any,
        url: str,
        token_file: Path | None,
        tenant: str | None,
        as_json: bool,
        **rest: Any,
    ) -> Any:
        token = find_token(url, token_file, os.environ)
        session = Session(url, token, tenant, Screen(is_json=as_json))
        with session.client:
            return function(session, *args, **rest)

    return wrapper


def given_token(token_file: Path | None, environment: Mapping[str, str]) -> str | None:
    """The token that somebody named: in a file, or in OUTLAST_TOKEN."""
    if token_file is not None:
        try:
            return token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"--token-file {token_file}: {error}") from error
    return environment.get("OUTLAST_TOKEN") or None


def find_token(url: str, token_file: Path | None, environment: Mapping[str, str]) -> str | None:
    """The token that was named, else the admin token of the data folder on this machine."""
    token = given_token(token_file, environment)
    # A secret of this machine is for this machine.
    if token is None and is_loopback(url):
        try:
            return (data_folder(None, environment) / "admin-token").read_text().strip()
        except OSError:
            return None
    return token


def data_folder(data: Path | None, environment: Mapping[str, str]) -> Path:
    """The data folder that is meant: by a flag, by OUTLAST_DATA, or the one here."""
    return data or Path(environment.get("OUTLAST_DATA") or DATA_DEFAULT)
