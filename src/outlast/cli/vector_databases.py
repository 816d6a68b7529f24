"""outlast vector-database: build, list, get, search, export, delete."""

from typing import Any

import click

from outlast.cli.commands import command, group
from outlast.cli.exits import Exit
from outlast.cli.following import follow
from outlast.cli.session import Session, talking
from outlast.cli.wording import instant, size
from outlast.client.vector_databases import VectorDatabase

_WATCH = click.option("--watch", is_flag=True, help="Show progress until it has ended.")
_TEXT_CHARS_SHOWN = 200


@group("vector-database", (("What there is", "outlast vector-database list"),))
def vector_database() -> None:
    """Build vector databases of documents, and search them.

    To build and export are operations: each prints the id of one. A vector database is called by
    its id or name; of those with one name, the newest is meant.
    """


@command(
    "build",
    (
        ("Of a dataset", "outlast vector-database build manuals --dataset manuals --watch"),
        (
            "Of an uploaded file, by a model of a backend",
            "outlast vector-database build law --file 06EV3M8QK2ZBXW1D9RHT --model embedder",
        ),
    ),
)
@click.argument("name")
@click.option("--dataset", help="A dataset by its id or name.")
@click.option("--file", help="The id of a file: text, Markdown, HTML, PDF, or a zip of these.")
@click.option("--text-column", help="Of a dataset: the column with the text.")
@click.option("--model", "embedding_model", help="What embeds; else the local model.")
@click.option("--chunk-size", type=int, help="How many characters a chunk has at most.")
@click.option("--overlap", "overlap_percentage", type=int, help="How much of it overlaps, in %.")
@click.option("--parent", help="Build the next version of this one.")
@_WATCH
@talking
def build(session: Session, name: str, *, watch: bool, **options: Any) -> Exit:
    """Build a vector database that is called NAME."""
    spec = {key: value for key, value in options.items() if value is not None}
    sizes = ("chunk_size", "overlap_percentage")
    chunking = {key: spec.pop(key) for key in sizes if key in spec}
    if chunking:
        spec["chunking"] = chunking
    return _submitted(session, "build_vector_database", {"name": name, **spec}, watch=watch)


@command(
    "list",
    (
        ("All of them", "outlast vector-database list"),
        ("Their names", "outlast vector-database list --json | jq -r '.vector_databases[].name'"),
    ),
)
@click.option("--name", help="Only those that are called so.")
@talking
def list_vector_databases(session: Session, name: str | None) -> None:
    """List the vector databases."""
    found = list(session.client.vector_databases.list(name=name))
    if session.screen.is_json:
        session.screen.json({"vector_databases": found})
        return
    session.screen.table(
        ["name", "id", "version", "status", "model", "chunks", "size", "created"],
        [_row(one) for one in found],
        right=frozenset({"version", "chunks", "size"}),
    )


def _row(one: VectorDatabase) -> tuple[str, ...]:
    chunks, created = str(one.chunks), instant(one.created_at)
    described = (one.name, one.id, str(one.version), one.status, one.embedding_model)
    return (*described, chunks, size(one.bytes), created)


@command(
    "get",
    (
        ("What is known of it", "outlast vector-database get manuals"),
        ("How it was cut", "outlast vector-database get manuals --json | jq .chunking"),
    ),
)
@click.argument("vector_database")
@talking
def get(session: Session, vector_database: str) -> None:
    """Show VECTOR_DATABASE."""
    found = session.client.vector_databases.get(vector_database)
    if session.screen.is_json:
        session.screen.json(found)
    else:
        session.screen.details(_facts(found))


@command(
    "search",
    (
        ("The nearest chunks", "outlast vector-database search manuals 'reset the clock'"),
        (
            "Only in some documents",
            "outlast vector-database search manuals 'reset' --filter language=en --limit 3",
        ),
    ),
)
@click.argument("vector_database")
@click.argument("text")
@click.option("--limit", type=int, default=5, show_default=True, help="How many chunks.")
@click.option("--filter", "filters", multiple=True, help="FIELD=VALUE of the metadata; repeatable.")
@talking
def search(
    session: Session, vector_database: str, text: str, *, limit: int, filters: tuple[str, ...]
) -> None:
    """Find the chunks of VECTOR_DATABASE that are nearest to TEXT."""
    hits = session.client.vector_databases.search(
        vector_database, text, limit=limit, filters=_filters(filters)
    )
    if session.screen.is_json:
        session.screen.json({"hits": hits})
        return
    for hit in hits:
        page = "" if hit.page is None else f", page {hit.page}"
        session.screen.line(f"{hit.score:.3f}  {hit.document}{page}")
        session.screen.line("       " + " ".join(hit.text.split())[:_TEXT_CHARS_SHOWN])


def _filters(given: tuple[str, ...]) -> dict[str, list[str]]:
    """FIELD=VALUE, again and again: a field with several values may have any of them."""
    filters: dict[str, list[str]] = {}
    for one in given:
        field, equals, value = one.partition("=")
        if not equals or not field:
            raise click.UsageError(f"--filter {one}: say FIELD=VALUE")
        filters.setdefault(field, []).append(value)
    return filters


@command(
    "export",
    (
        ("Its chunks as a dataset", "outlast vector-database export manuals --dataset chunks"),
        ("As a temporary one", "outlast vector-database export manuals --watch"),
    ),
)
@click.argument("vector_database")
@click.option("--dataset", help="The dataset that gets a version; else a temporary one is made.")
@_WATCH
@talking
def export(session: Session, vector_database: str, dataset: str | None, *, watch: bool) -> Exit:
    """Make the chunks of VECTOR_DATABASE a version of a dataset."""
    spec: dict[str, Any] = {"vector_database": vector_database}
    if dataset is not None:
        spec["dst"] = {"dataset": dataset}
    return _submitted(session, "export_vector_database", spec, watch=watch)


@command(
    "delete",
    (
        ("One of them", "outlast vector-database delete manuals"),
        ("In a script", "outlast vector-database delete manuals --json"),
    ),
)
@click.argument("vector_database")
@talking
def delete(session: Session, vector_database: str) -> None:
    """Delete VECTOR_DATABASE."""
    session.client.vector_databases.delete(vector_database)
    if session.screen.is_json:
        session.screen.json({"deleted": [vector_database]})
    else:
        session.screen.line(f"{vector_database} is deleted.")


def _submitted(session: Session, kind: str, spec: dict[str, Any], *, watch: bool) -> Exit:
    handle = session.client.submit(kind, spec)
    if watch:
        return follow(session, handle.id)
    if session.screen.is_json:
        session.screen.json(handle.operation)
    else:
        session.screen.line(handle.id)
    return Exit.DONE


def _facts(found: VectorDatabase) -> list[tuple[str, object]]:
    cut = found.chunking
    return [
        ("name", found.name),
        ("id", found.id),
        ("version", found.version),
        ("status", found.status),
        ("source", found.source_name),
        ("embedding model", found.embedding_model),
        ("dimensions", found.dimensions or None),
        ("documents", found.documents or None),
        ("chunks", found.chunks or None),
        ("cut", f"{cut.get('chunk_size')} characters, {cut.get('overlap_percentage')} % overlap"),
        ("size", size(found.bytes) if found.bytes else None),
        ("created", f"{instant(found.created_at)} by {found.created_by or '?'}"),
        ("operation", found.operation_id),
    ]


for _command in (build, list_vector_databases, get, search, export, delete):
    vector_database.add_command(_command)
