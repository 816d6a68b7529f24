"""outlast stack: modules, deploy, update, list, show, outputs, drift, destroy."""

from typing import Any

import click
import msgspec

from outlast.cli.asking import SECRET_NAMES, ask_secrets
from outlast.cli.commands import command, group
from outlast.cli.exits import Exit
from outlast.cli.following import follow
from outlast.cli.session import Session, talking
from outlast.cli.values import Pair
from outlast.cli.wording import instant
from outlast.client.answers import Operation
from outlast.client.stacks import Module, Stack, StackWish

_WORDS = ("stack", "network", "cluster")
_WATCH = click.option("--watch", is_flag=True, help="Show progress until it has ended.")
_WORD = click.option(
    "--word", type=click.Choice(_WORDS), help="What it is called; a stack if not given."
)
_VAR = click.option(
    "--var",
    "variables",
    type=Pair(),
    multiple=True,
    help="NAME=VALUE; JSON where it is JSON, else a text; repeatable.",
)
_CONNECTION = click.option("--connection", help="The connection that it is made through.")
_PLAN_ONLY = click.option("--plan-only", is_flag=True, help="Only tell what would be changed.")


@group("stack", (("What there is", "outlast stack list"),))
def stack() -> None:
    """Deploy Terraform or OpenTofu modules, and follow each resource.

    To deploy, update, destroy and look for drift are operations: each prints the id of one.
    """


@command(
    "modules",
    (
        ("What can be deployed", "outlast stack modules"),
        ("Its variables", "outlast stack modules --json | jq '.modules[] | .name, .variables'"),
    ),
)
@talking
def modules(session: Session) -> None:
    """List the modules that can be deployed."""
    found = session.client.stacks.modules()
    if session.screen.is_json:
        session.screen.json({"modules": found})
        return
    session.screen.table(
        ["module", "word", "version", "variables", "description"],
        [(one.name, one.word, one.version, _variables(one), one.description) for one in found],
    )


@command(
    "deploy",
    (
        ("A new stack", "outlast stack deploy web-server site --var nodes=2 --watch"),
        (
            "With a password, asked for",
            "outlast stack deploy postgres orders --secret-name password",
        ),
        ("Look first", "outlast stack deploy web-server site --plan-only --watch"),
    ),
)
@click.argument("module")
@click.argument("name")
@_VAR
@SECRET_NAMES
@_CONNECTION
@_PLAN_ONLY
@_WATCH
@talking
def deploy(session: Session, module: str, name: str, *, watch: bool, **options: Any) -> Exit:
    """Deploy MODULE as a new stack that is called NAME."""
    return _followed(
        session, session.client.stacks.create(name, module, _wish(**options)), watch=watch
    )


@command(
    "update",
    (
        ("Other variables", "outlast stack update site --var nodes=3 --watch"),
        ("Again, with the module as it is now", "outlast stack update site"),
    ),
)
@click.argument("stack")
@_VAR
@SECRET_NAMES
@_CONNECTION
@_PLAN_ONLY
@_WORD
@_WATCH
@talking
def update(session: Session, stack: str, *, word: str | None, watch: bool, **options: Any) -> Exit:
    """Make STACK what its module and its variables say.

    Variables that are not named stay as they are; `--var NAME=null` takes one away.
    """
    made = session.client.stacks.update(stack, _wish(**options), word=word)
    return _followed(session, made, watch=watch)


@command(
    "list",
    (
        ("All of them", "outlast stack list"),
        ("Their names", "outlast stack list --json | jq -r '.stacks[].name'"),
    ),
)
@_WORD
@talking
def list_stacks(session: Session, word: str | None) -> None:
    """List the stacks, networks and clusters."""
    found = list(session.client.stacks.list(word=word))
    if session.screen.is_json:
        session.screen.json({"stacks": found})
        return
    session.screen.table(
        ["name", "id", "word", "module", "status", "resources", "created"],
        [
            (one.name, one.id, one.word, one.module, one.status, one.resources, _made(one))
            for one in found
        ],
        right=frozenset({"resources"}),
    )


@command(
    "show",
    (
        ("What is known of it", "outlast stack show site"),
        ("An output", "outlast stack show site --json | jq -r .outputs.address.value"),
    ),
)
@click.argument("stack")
@_WORD
@talking
def show(session: Session, stack: str, word: str | None) -> None:
    """Show STACK."""
    found = session.client.stacks.get(stack, word=word)
    if session.screen.is_json:
        session.screen.json(found)
    else:
        session.screen.details(_facts(found))


@command(
    "outputs",
    (
        ("All, sensitive ones too", "outlast stack outputs site"),
        ("One of them", "outlast stack outputs site --json | jq -r .outputs.password.value"),
    ),
)
@click.argument("stack")
@_WORD
@talking
def outputs(session: Session, stack: str, word: str | None) -> None:
    """Print the outputs of STACK, sensitive ones too.

    Only for who may see secrets, and it stands in the audit log.
    """
    found = session.client.stacks.outputs(stack, word=word)
    if session.screen.is_json:
        session.screen.json({"outputs": found})
    else:
        session.screen.details([(name, _text(one.value)) for name, one in found.items()])


@command(
    "drift",
    (
        ("What others have changed", "outlast stack drift site --watch"),
        ("As it was found", "outlast stack show site --json | jq .drift"),
    ),
)
@click.argument("stack")
@_WORD
@_WATCH
@talking
def drift(session: Session, stack: str, *, word: str | None, watch: bool) -> Exit:
    """Find what others have changed of STACK."""
    return _followed(session, session.client.stacks.check_drift(stack, word=word), watch=watch)


@command(
    "destroy",
    (
        ("With all that it consists of", "outlast stack destroy site"),
        ("And see it through", "outlast stack destroy site --watch"),
    ),
)
@click.argument("stack")
@_WORD
@_WATCH
@talking
def destroy(session: Session, stack: str, *, word: str | None, watch: bool) -> Exit:
    """Destroy STACK and all that it consists of."""
    return _followed(session, session.client.stacks.delete(stack, word=word), watch=watch)


def _wish(
    *,
    variables: tuple[tuple[str, str], ...],
    secret_names: tuple[str, ...],
    connection: str | None,
    plan_only: bool,
) -> StackWish:
    return StackWish(
        variables={name: _value(text) for name, text in variables},
        secret_variables=ask_secrets(secret_names),
        connection=connection,
        plan_only=plan_only,
    )


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _followed(session: Session, operation: Operation, *, watch: bool) -> Exit:
    if watch:
        return follow(session, operation.id)
    if session.screen.is_json:
        session.screen.json(operation)
    else:
        session.screen.line(operation.id)
    return Exit.DONE


def _variables(module: Module) -> str:
    return ", ".join(f"{one.name}{'' if one.is_required else '?'}" for one in module.variables)


def _made(stack: Stack) -> str:
    return instant(stack.created_at)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _facts(found: Stack) -> list[tuple[str, object]]:
    said = [f"{name}={_text(value)}" for name, value in found.variables.items()]
    shown = [
        f"{name}={'(sensitive)' if one.is_sensitive else _text(one.value)}"
        for name, one in found.outputs.items()
    ]
    drifted = None
    if found.drift is not None:
        drifted = ", ".join(one.address for one in found.drift.resources) or "none"
    return [
        ("name", found.name),
        ("id", found.id),
        ("word", found.word),
        ("module", f"{found.module} {found.module_version}"),
        ("status", found.status),
        ("resources", found.resources),
        ("variables", ", ".join(said)),
        ("secret variables", ", ".join(found.secret_names)),
        ("connection", found.connection),
        ("outputs", ", ".join(shown)),
        ("drift", drifted),
        ("created", f"{_made(found)} by {found.created_by or '?'}"),
        ("operation", found.operation_id),
    ]


for _command in (modules, deploy, update, list_stacks, show, outputs, drift, destroy):
    stack.add_command(_command)
