"""outlast doctor."""

import os
import platform
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from outlast.cli.commands import command
from outlast.cli.exits import Exit
from outlast.cli.screen import Screen
from outlast.cli.session import data_folder, find_token, json_option
from outlast.client.connecting import DEFAULT_URL
from outlast.client.errors import ClientError, Unauthenticated, Unreachable
from outlast.client.sync import Client

_SQLITE_MIN: Final = (3, 51, 3)
_OTHERS: Final = 0o077
_PASSABLE: Final = 0o711


class Finding(msgspec.Struct, frozen=True):
    """What was looked at, how it is (`ok`, `warning` or `bad`), and what that means."""

    check: str
    verdict: str
    detail: str


@command(
    "doctor",
    (
        ("Is everything as it should be?", "outlast doctor"),
        ("Of an installation elsewhere", "outlast doctor --data /var/lib/outlast"),
        ("And of the object store of its settings", "outlast doctor --settings outlast.toml"),
    ),
)
@click.option("--url", envvar="OUTLAST_URL", default=DEFAULT_URL, show_default=True,
              help="The server's address, or OUTLAST_URL.")  # fmt: skip
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="The data folder, or OUTLAST_DATA; ./outlast-data if not set.",
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file with settings.",
)
@json_option
def doctor(*, url: str, data: Path | None, settings_file: Path | None, as_json: bool) -> Exit:
    """Say what is not as it should be with this installation.

    Looks at this machine, the data folder and the server. Which sandbox holds for untrusted
    engines is tried, not guessed. Leaves with 1 if something is bad; a warning, such as a server
    that is not running, is no failure.
    """
    folder = data_folder(data, os.environ)
    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _sqlite,
        _sandbox,
        lambda: _folder(folder),
        lambda: _objects(settings_file),
        lambda: _keys(settings_file),
        lambda: _infrastructure(settings_file),
        lambda: _server(url),
    )
    found = [check() for check in checks]
    screen = Screen(is_json=as_json)
    if screen.is_json:
        screen.json({"findings": found})
    else:
        screen.table(
            ["check", "verdict", "detail"], [(one.check, one.verdict, one.detail) for one in found]
        )
    return Exit.FAILED if any(one.verdict == "bad" for one in found) else Exit.DONE


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")


def _sqlite() -> Finding:
    # The database and the sandbox are a server's; other commands do without them.
    import apsw  # noqa: PLC0415

    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")) < _SQLITE_MIN:
        return Finding("sqlite", "bad", f"{version}; older than 3.51.3 can corrupt the database")
    return Finding("sqlite", "ok", version)


def _sandbox() -> Finding:
    from outlast import app  # noqa: PLC0415  as above

    report = app.sandbox_report()
    words = f"files: {report.files or 'open'}; network: {report.network or 'open'}"
    if report.details:
        words += f" ({report.details})"
    if report.holds:
        return Finding("sandbox", "ok", words)
    return Finding(
        "sandbox",
        "bad",
        f"{words}. Kinds with untrusted engines, such as SQL, do not start here unless "
        "`outlast serve` is told --allow-unsandboxed.",
    )


def _folder(folder: Path) -> Finding:
    if not folder.is_dir():
        return Finding(
            "data folder", "warning", f"there is none at {folder}; `outlast serve` makes it"
        )
    open_ones = [f"{path.name} is {mode:04o}" for path, mode in _too_open(folder)]
    if open_ones:
        return Finding("data folder", "bad", f"others can look into {folder}: {open_ones}")
    return Finding("data folder", "ok", f"{folder.absolute()}, closed to others")


def _objects(settings_file: Path | None) -> Finding:
    # What speaks to a bucket is a server's, as above.
    from outlast import app  # noqa: PLC0415
    from outlast.settings import SettingsError, load_settings  # noqa: PLC0415

    try:
        settings = load_settings({}, os.environ, settings_file)
        if settings.objects is None:
            return Finding("object store", "ok", "the data folder")
        app.try_objects(settings)
    except SettingsError as error:
        return Finding("object store", "bad", str(error))
    store = settings.object_stores[settings.objects]
    return Finding("object store", "ok", f"{settings.objects}: {store.url} does all that is needed")


def _keys(settings_file: Path | None) -> Finding:
    # What seals and opens is a server's, as above.
    from outlast.resources.keyring import KEY_VARIABLE, read_keys  # noqa: PLC0415
    from outlast.settings import SettingsError, load_settings  # noqa: PLC0415

    try:
        settings = load_settings({}, os.environ, settings_file)
        if KEY_VARIABLE in os.environ:
            read_keys(os.environ[KEY_VARIABLE], KEY_VARIABLE)
    except SettingsError as error:
        return Finding("keys", "bad", str(error))
    stores = settings.object_stores.values()
    named = [one.api_key_variable for one in settings.backends.values()]
    named += [name for one in stores for name in (one.access_key_variable, one.secret_key_variable)]
    missing = sorted({name for name in named if name is not None and not os.environ.get(name)})
    if missing:
        return Finding("keys", "warning", f"not in this environment: {', '.join(missing)}")
    return Finding("keys", "ok", "every variable that the settings name is set")


def _infrastructure(settings_file: Path | None) -> Finding:
    # What deploys modules is a worker's, as above.
    from outlast import app  # noqa: PLC0415
    from outlast.settings import SettingsError, load_settings  # noqa: PLC0415

    try:
        settings = app.find_program(load_settings({}, os.environ, settings_file), os.environ)
    except SettingsError as error:
        return Finding("infrastructure", "bad", str(error))
    program, modules = settings.infrastructure.program, settings.modules
    if program is not None:
        return Finding("infrastructure", "ok", f"{program} deploys {len(modules)} modules")
    if modules:
        lacking = f"neither tofu nor terraform is here: {', '.join(modules)} cannot be deployed"
        return Finding("infrastructure", "bad", lacking)
    return Finding("infrastructure", "ok", "neither tofu nor terraform is here, nor any module")


def _too_open(folder: Path) -> Iterator[tuple[Path, int]]:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & ~_PASSABLE:
        yield folder, mode
    for path in sorted(folder.iterdir()):
        mode = stat.S_IMODE(path.stat().st_mode)
        # Attempts' children pass through `work` on the way to their own folders.
        allowed = _PASSABLE if path.name == "work" else 0o777 & ~_OTHERS
        if mode & ~allowed:
            yield path, mode


def _server(url: str) -> Finding:
    try:
        with Client(url, find_token(url, None, os.environ), retries_max=0) as client:
            client.is_ready()
            kinds = client.kinds()
    except Unreachable as error:
        return Finding("server", "warning", f"none answers at {url}: {error.detail}")
    except Unauthenticated:
        return Finding("server", "warning", f"{url} is ready, but knows no token of yours")
    except ClientError as error:
        return Finding("server", "bad", f"{url}: {error.detail} [{error.code}]")
    return Finding("server", "ok", f"{url} is ready and runs {len(kinds)} kinds")
