"""outlast policy: put, test, list, show, versions, delete, evaluate."""

from pathlib import Path
from typing import Any

import click
import msgspec

from outlast.cli.commands import command, group
from outlast.cli.exits import Exit
from outlast.cli.session import Session, talking
from outlast.cli.wording import instant
from outlast.client.policies import Policy
from outlast.operations.errors import Invalid
from outlast.resources.policies.format import read_policy

_FILE = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
_VIOLATIONS_SHOWN = 20


@group("policy", (("Hold an SBOM to the built-in policies", "outlast policy evaluate bom.json"),))
def policy() -> None:
    """Write policies in Rego or CEL, and hold evidence to them.

    A policy is called by its name, which means the newest version, or as NAME@VERSION. Built-in
    ones are there already.
    """


@command(
    "put",
    (
        ("A new version", "outlast policy put no-copyleft.toml"),
        ("Which one it became", "outlast policy put no-copyleft.toml --json | jq .version"),
    ),
)
@_FILE
@talking
def put(session: Session, file: Path) -> None:
    """Write the policy of FILE (TOML or JSON), if its own tests pass."""
    made = session.client.policies.put(_read(file))
    if session.screen.is_json:
        session.screen.json(made)
    else:
        session.screen.line(f"{made.name}@{made.version} is the newest version.")


@command(
    "test",
    (
        ("Run its tests", "outlast policy test no-copyleft.toml"),
        ("What failed", "outlast policy test no-copyleft.toml --json | jq .failures"),
    ),
)
@_FILE
@talking
def test(session: Session, file: Path) -> Exit:
    """Run the tests of the policy of FILE; nothing is kept."""
    tested = session.client.policies.test(_read(file))
    screen, error = session.screen, tested.error
    if screen.is_json:
        screen.json(tested)
    elif tested.is_passed:
        screen.line("Its tests pass.", "green")
    else:
        if error is not None:
            rule = f"{error.rule}: " if error.rule else ""
            screen.line(f"{rule}line {error.line}, column {error.column}: {error.message}", "red")
        for name, came in tested.failures.items():
            screen.line(f"{name}: {came}", "red")
    return Exit.DONE if tested.is_passed else Exit.FAILED


@command(
    "list",
    (
        ("All of them", "outlast policy list"),
        ("What there is for SBOMs", "outlast policy list --json | jq '.policies[].applies_to'"),
    ),
)
@talking
def list_policies(session: Session) -> None:
    """List the policies, also built-in ones."""
    _show_all(session, list(session.client.policies.list()))


@command(
    "versions",
    (
        ("Who wrote which", "outlast policy versions no-copyleft"),
        ("Their digests", "outlast policy versions no-copyleft --json | jq '.policies[].digest'"),
    ),
)
@click.argument("name")
@talking
def versions(session: Session, name: str) -> None:
    """List the versions of the policy NAME, newest first."""
    _show_all(session, list(session.client.policies.versions(name)))


@command(
    "show",
    (
        ("What it says", "outlast policy show vulnerabilities"),
        ("An earlier version, as a file", "outlast policy show mine@2 --json | jq .document"),
    ),
)
@click.argument("policy")
@talking
def show(session: Session, policy: str) -> None:
    """Show POLICY: NAME or NAME@VERSION."""
    found = session.client.policies.get(policy)
    if session.screen.is_json:
        session.screen.json(found)
        return
    session.screen.details(_facts(found))
    document = found.document or {}
    for rule in document.get("rules") or ():
        session.screen.line(str(rule.get("check")))
    session.screen.line(document.get("source") or "")


@command(
    "delete",
    (
        ("With all of its versions", "outlast policy delete no-copyleft"),
        ("In a script", "outlast policy delete no-copyleft --json"),
    ),
)
@click.argument("name")
@talking
def delete(session: Session, name: str) -> None:
    """Delete the policy NAME with its versions."""
    session.client.policies.delete(name)
    if session.screen.is_json:
        session.screen.json({"deleted": [name]})
    else:
        session.screen.line(f"{name} is deleted.")


@command(
    "evaluate",
    (
        ("A file, by every built-in policy for it", "outlast policy evaluate bom.json"),
        (
            "Evidence that is there, by two policies, as a gate",
            "outlast policy evaluate sha256:9f86d0... --policy mine@2 --policy signed --gate",
        ),
    ),
)
@click.argument("evidence")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    help="NAME or NAME@VERSION; repeatable. Else all built-in ones.",
)
@click.option("--gate", is_flag=True, help="End with 1 unless all passed or were skipped.")
@talking
def evaluate(session: Session, evidence: str, *, policies: tuple[str, ...], gate: bool) -> Exit:
    """Hold EVIDENCE to policies, and show the report.

    EVIDENCE is a file, which is brought, or an id or digest of evidence that is there.
    """
    if Path(evidence).is_file():
        evidence = session.client.evidence.put(Path(evidence)).digest
    spec: dict[str, Any] = {"evidence": evidence}
    if policies:
        spec["policies"] = list(policies)
    report = session.client.submit("evidence_evaluation", spec).result()
    if session.screen.is_json:
        session.screen.json(report)
    else:
        _show_report(session, report)
    is_through = report["summary"]["status"] in {"passed", "skipped"}
    return Exit.DONE if is_through or not gate else Exit.FAILED


def _show_report(session: Session, report: dict[str, Any]) -> None:
    screen = session.screen
    screen.table(
        ["policy", "status", "violations", "why"],
        [
            (
                f"{one['name']}@{one['version']}",
                one["status"],
                one["violations_total"] or None,
                one["skip_reason"] or _told(one["error"]),
            )
            for one in report["policies"]
        ],
        right=frozenset({"violations"}),
    )
    for one in report["policies"]:
        for violation in one["violations"][:_VIOLATIONS_SHOWN]:
            place = violation["location"] or {}
            where = f"{place['line']}:{place['column']}: " if place.get("line") else ""
            screen.line(f"{where}{violation['severity']}: {violation['message']} ({one['name']})")
        left = one["violations_total"] - len(one["violations"][:_VIOLATIONS_SHOWN])
        if left > 0:
            screen.line(f"... and {left} more ({one['name']})")
    said = " It was said before of the same." if report["cached"] else ""
    screen.line(f"It has {report['summary']['status']}.{said}")


def _told(error: dict[str, Any] | None) -> str:
    return "" if error is None else f"{error['line']}:{error['column']}: {error['message']}"


def _read(file: Path) -> dict[str, Any]:
    is_toml = file.suffix == ".toml"
    try:
        found: dict[str, Any] = msgspec.to_builtins(read_policy(file.read_bytes(), is_toml=is_toml))
    except Invalid as error:
        raise click.UsageError(f"{file}: {error.message}") from error
    return found


def _show_all(session: Session, found: list[Policy]) -> None:
    if session.screen.is_json:
        session.screen.json({"policies": found})
        return
    session.screen.table(
        ["name", "version", "language", "severity", "for", "by"],
        [
            (
                one.name,
                one.version,
                one.language,
                one.severity,
                ", ".join(one.applies_to) or "all",
                "built in" if one.is_builtin else one.created_by,
            )
            for one in found
        ],
        right=frozenset({"version"}),
    )


def _facts(found: Policy) -> list[tuple[str, object]]:
    return [
        ("name", found.name),
        ("version", found.version),
        ("language", found.language),
        ("for", ", ".join(found.applies_to) or "all types of evidence"),
        ("severity", found.severity),
        ("arguments", (found.document or {}).get("args") or None),
        ("description", found.description.strip() or None),
        ("digest", found.digest),
        (
            "written",
            f"{instant(found.created_at)} by {found.created_by}"
            if found.created_at
            else "built in",
        ),
    ]


for _command in (put, test, list_policies, versions, show, delete, evaluate):
    policy.add_command(_command)
