"""outlast instance-types: list, convert."""

from pathlib import Path
from typing import Any

import click

from outlast.cli.commands import command, group
from outlast.cli.exits import Exit, exit_of
from outlast.cli.following import show_outcome
from outlast.cli.screen import Screen
from outlast.cli.session import Session, json_option, talking
from outlast.cli.wording import size
from outlast.kinds.instance_types.described import read_described, read_offers
from outlast.kinds.instance_types.published import (
    BadFile,
    PublishedTypes,
    encode_published,
    read_bytes,
)

_MIB = 1024**2
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@group("instance-types", (("Small machines of AWS", "outlast instance-types list --vcpus 2"),))
def instance_types() -> None:
    """Find types of machines, and renew what is known of them."""


@command(
    "list",
    (
        ("With a GPU, in a region", "outlast instance-types list --gpus 1 --region eu-north-1"),
        ("Names alone", "outlast instance-types list --json | jq -r '.items[].instance_type'"),
    ),
)
@click.argument("provider", default="aws")
@click.option("--name", help="The name, which may have * and ?.")
@click.option("--family", help="What the name begins with, such as m5.")
@click.option("--group", help="What they are for, such as compute_optimized.")
@click.option("--architecture", help="x86_64 or arm64.")
@click.option("--vcpus", "vcpus_min", type=int, help="At least so many.")
@click.option("--vcpus-max", type=int, help="At most so many.")
@click.option("--memory-mib", "memory_mib_min", type=int, help="At least so much.")
@click.option("--memory-mib-max", type=int, help="At most so much.")
@click.option("--gpus", "gpus_min", type=int, help="At least so many.")
@click.option("--gpus-max", type=int, help="At most so many.")
@click.option("--region", help="Where they are offered.")
@click.option("--connection", help="Ask this account of AWS.")
@click.option("--managed", "is_managed", is_flag=True, help="Pods as managed nodes allow.")
@click.option("--limit", type=int, help="At most so many types, the smallest first.")
@talking
def list_types(session: Session, **given: Any) -> Exit:
    """List instance types of PROVIDER, the smallest first."""
    spec = {name: value for name, value in given.items() if value is not None}
    operation = session.client.submit("discover_instance_types", spec).wait()
    if operation.state != "succeeded":
        show_outcome(session.screen, operation)
        return exit_of(operation)
    if session.screen.is_json:
        session.screen.json(operation.result)
        return Exit.DONE
    items, metadata = operation.result["items"], operation.result["metadata"]
    session.screen.table(
        ["type", "vcpus", "memory", "gpus", "architecture", "pods", "milli-cpu", "group"],
        [
            (
                *(one["instance_type"], one["vcpus"], size(one["memory_mib"] * _MIB)),
                *(one["gpu_count"], one["architecture"], one["max_pods"]),
                *(one["allocatable_milli_cpu"], one["group"]),
            )
            for one in items
        ],
        right=frozenset({"vcpus", "memory", "gpus", "pods", "milli-cpu"}),
    )
    session.screen.note(
        f"{len(items)} of {metadata['total']}; {metadata['source']}, {metadata['source_date']}."
    )
    return Exit.DONE


@command(
    "convert",
    (
        (
            "What AWS says today, for `path` of [instance_types.aws]",
            """aws ec2 describe-instance-types > types.json
aws ec2 describe-instance-type-offerings > offers.json
outlast instance-types convert types.json aws.json.gz --offers offers.json \\
    --source "DescribeInstanceTypes" --date 2026-11-22 --licence "AWS"
""",
        ),
    ),
)
@click.argument("described", type=_FILE)
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--offers", multiple=True, type=_FILE, help="What regions offer; repeatable.")
@click.option("--source", required=True, help="Where it is from.")
@click.option("--date", required=True, help="When it was published.")
@click.option("--licence", required=True, help="On which terms.")
@json_option
def convert(
    described: Path,
    target: Path,
    *,
    offers: tuple[Path, ...],
    source: str,
    date: str,
    licence: str,
    as_json: bool,
) -> None:
    """Make a file of instance types of DESCRIBED, an answer of AWS.

    TARGET is then named by the setting `instance_types.NAME.path`.
    """
    try:
        regions: dict[str, list[str]] = {}
        for one in offers:
            for region, names in read_offers(read_bytes(one)).items():
                regions.setdefault(region, []).extend(names)
        types = read_described(read_bytes(described), regions)
        published = PublishedTypes(source=source, date=date, licence=licence, types=types)
    except (BadFile, ValueError) as error:
        raise click.UsageError(str(error)) from error
    target.write_bytes(encode_published(published))
    screen = Screen(is_json=as_json)
    if as_json:
        screen.json({"file": str(target), "types": len(types), "regions": len(regions)})
    else:
        screen.line(f"{target}: {len(types)} instance types, {len(regions)} regions")


for _command in (list_types, convert):
    instance_types.add_command(_command)
