"""The program: its commands, each imported when it is called for, and how it ends."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import click

from outlast.cli.commands import write_examples
from outlast.cli.exits import Exit, explain

_COMMANDS: Final[Mapping[str, str]] = {
    "serve": "outlast.cli.serving:serve",
    "worker": "outlast.cli.working:worker",
    "demo": "outlast.cli.demonstrating:demo",
    "doctor": "outlast.cli.doctor:doctor",
    "migrate": "outlast.cli.moving:migrate",
    "export": "outlast.cli.moving:export",
    "import": "outlast.cli.moving:import_",
    "submit": "outlast.cli.submitting:submit",
    "get": "outlast.cli.reading:get",
    "list": "outlast.cli.reading:list_operations",
    "watch": "outlast.cli.waiting:watch",
    "wait": "outlast.cli.waiting:wait",
    "cancel": "outlast.cli.changing:cancel",
    "retry": "outlast.cli.changing:retry",
    "delete": "outlast.cli.changing:delete",
    "logs": "outlast.cli.reading:logs",
    "events": "outlast.cli.reading:events",
    "kinds": "outlast.cli.kinds:kinds",
    "schedule": "outlast.cli.schedules:schedule",
    "datasets": "outlast.cli.datasets:datasets",
    "files": "outlast.cli.files:files",
    "database": "outlast.cli.databases:database",
    "pipe-table": "outlast.cli.pipe_tables:pipe_table",
    "service": "outlast.cli.services:service",
    "connection": "outlast.cli.connections:connection",
    "instance-types": "outlast.cli.instance_types:instance_types",
    "vector-database": "outlast.cli.vector_databases:vector_database",
    "stack": "outlast.cli.stacks:stack",
    "evidence": "outlast.cli.evidence:evidence",
    "policy": "outlast.cli.policies:policy",
    "token": "outlast.cli.access:token",
    "tenant": "outlast.cli.access:tenant",
    "audit": "outlast.cli.access:audit",
}

_EXAMPLES: Final = (
    ("See it all at work, with real data, in half a minute", "outlast demo"),
    ("Start a server on this machine", "outlast serve"),
    (
        "Submit an operation and follow it to its end",
        """outlast submit sql_query '{"dialect": "yql", ...}' --watch""",
    ),
)


class _Program(click.Group):
    """Knows its commands by name, and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002  click's signature
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(formatter, _EXAMPLES)
        super().format_epilog(ctx, formatter)


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 the operation failed, 2 usage, 3 cancelled, "
    "4 the wait timed out, 5 no server.",
)
@click.version_option(package_name="outlast", message="%(prog)s %(version)s")
def program() -> None:
    """Requests end; operations outlast them.

    Submit work to a server over HTTP, get an operation back at once, and follow it to an honest
    end. OUTLAST_URL names the server and OUTLAST_TOKEN says who you are; on the server's own
    machine neither is needed.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and leave with its exit code. Expected errors never show a traceback."""
    try:
        code = program.main(arguments, prog_name="outlast", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. What was submitted goes on.", err=True)
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python must not complain while it exits.
        sys.stderr.close()
        sys.exit(Exit.DONE)
    except Exception as error:
        complaint = explain(error)
        if complaint is None:
            raise
        complaint.show()
        sys.exit(complaint.exit)
    sys.exit(_exit_code(code))


def _exit_code(value: Any) -> int:
    return value if isinstance(value, int) else Exit.DONE
