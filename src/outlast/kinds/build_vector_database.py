"""The kind `build_vector_database`: documents in chunks, each with its vector, to be searched.

The documents are the rows of a dataset, or a file: text, Markdown, HTML, PDF, or a zip archive of
these. They are read in a locked child. With a `parent` the next version of that vector database is
built. Failure codes:

    invalid_file         the file cannot be read as what its name says
    no_documents         there is no text in it
    result_too_large     more chunks, bytes or pages than there may be, or cutting takes for ever
    out_of_memory        the documents need more memory than their reader is given
    source_changed       the dataset got a new version after some chunks of the old were embedded
    backend_unavailable  the embedding model does not answer; tried again, what is done is kept
    backend_refused      the embedding model refuses what it is asked
"""

import re
from typing import Final

import msgspec

from outlast.clock import system_clock
from outlast.inference.models import ServedModel, find_model
from outlast.kinds.targets import Source, find_source, part_keys
from outlast.kinds.vector.plan import BuildPlan, BuildResult, SplitArguments
from outlast.operations import ids
from outlast.operations.errors import Conflict, InvalidSpec
from outlast.operations.kind import Catalog, CatalogWrite, Context, Finish, Kind, Prepared, Resource
from outlast.operations.retry import RetryPolicy
from outlast.resources.configured import find_installation
from outlast.resources.datasets.resolving import dataset_document, version_document
from outlast.resources.files import file_document, find_file
from outlast.resources.vector_databases import local_models, model
from outlast.resources.vector_databases.finding import find_any
from outlast.resources.vector_databases.model import Chunking, VectorDatabaseDocument

FILE_BYTES_MAX: Final = 256 * 1024 * 1024
ROWS_BYTES_MAX: Final = 512 * 1024 * 1024
_TEXT_COLUMN: Final = "document"
_NAME_COLUMN: Final = "document_file_path"
_ROWS: Final = "rows.jsonl"


class BuildSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the documents come from, how they are cut, and what embeds them.

    Of a dataset, `text_column` is the text: without it the column `document`, else the first of
    texts. Without `embedding_model` it is the local one. `name` may be left out with a `parent`.
    """

    name: str | None = None
    dataset: str | None = None
    dataset_version: str | None = None
    file: str | None = None
    text_column: str | None = None
    embedding_model: str | None = None
    chunking: Chunking = Chunking()
    parent: str | None = None
    use_case: str | None = None


async def prepare(spec: BuildSpec, catalog: Catalog) -> Prepared:
    """Find documents and model, and reserve the vector database. Raises InvalidSpec, NotFound."""
    if (spec.dataset is None) == (spec.file is None):
        raise _invalid("dataset", "a vector database is built of either a dataset or a file")
    _check_separators(spec.chunking)
    installation = await find_installation(catalog)
    name, served = await _find_model(spec.embedding_model, catalog)
    prepared, document = await _find_documents(spec, catalog)
    document = msgspec.structs.replace(
        document, embedding_model=name, is_local=served is None, use_case=spec.use_case
    )
    write, id, document = await _reserve(spec, document, catalog)
    plan = BuildPlan(
        vector_database=id,
        name=document.name,
        version=document.version,
        source=document.dataset_version or document.file or "",
        split=prepared.plan,
        embedding_model=name,
        served=served,
        allow_unsandboxed=installation.allow_unsandboxed,
    )
    return msgspec.structs.replace(
        prepared,
        plan=plan,
        writes=() if write is None else (write,),
        secrets={"backend_key": served.secret_ref} if served and served.secret_ref else {},
        targets=(),
        resource_type=model.VECTOR_DATABASE,
        resource_id=id,
    )


def _check_separators(chunking: Chunking) -> None:
    if not chunking.separators:
        raise _invalid("chunking.separators", "there is at least one, which may be empty")
    for separator in chunking.separators if chunking.is_separator_regex else ():
        try:
            re.compile(separator)
        except re.error as error:
            raise _invalid(
                "chunking.separators", f"{separator[:100]!r} is no pattern: {error}"
            ) from error


async def _find_model(name: str | None, catalog: Catalog) -> tuple[str, ServedModel | None]:
    """The name of the embedding model, and who serves it: nobody, if it is a local one."""
    local = next(iter(local_models.LOCAL_MODELS)) if name is None else name
    if local in local_models.LOCAL_MODELS:
        if not local_models.is_installed(local):
            raise _invalid("embedding_model", local_models.NOT_INSTALLED)
        return local, None
    served = await find_model(catalog, local)
    if served.url is None:
        raise _invalid("embedding_model", f"{local[:200]!r} is a local chat model: no embeddings")
    return served.name, served


async def _find_documents(
    spec: BuildSpec, catalog: Catalog
) -> tuple[Prepared, VectorDatabaseDocument]:
    """What is staged and how it is to be cut, and what the catalog is told of it."""
    if spec.dataset is None:
        found = await find_file(catalog, spec.file or "")
        file = file_document(found)
        if file.bytes > FILE_BYTES_MAX:
            raise _invalid("file", f"has more than {FILE_BYTES_MAX} bytes")
        inputs = {f"part-{number:05}": part.key for number, part in enumerate(file.parts)}
        split = SplitArguments(
            input="file", files=tuple(inputs), name=file.name, chunking=spec.chunking
        )
        document = VectorDatabaseDocument(
            chunking=spec.chunking, file=found.id, source_name=file.name
        )
        return Prepared(plan=split, inputs=inputs), document
    version = await find_source(catalog, Source(dataset=spec.dataset, version=spec.dataset_version))
    of = version_document(version)
    dataset = await catalog.get("dataset", of.dataset)
    called = of.dataset
    if dataset is not None:
        called = dataset_document(dataset).title or dataset.name or dataset.id
    text_column, name_column = _columns(spec, version)
    split = SplitArguments(
        input="rows",
        files=(_ROWS,),
        name=called,
        chunking=spec.chunking,
        text_column=text_column,
        name_column=name_column,
    )
    document = VectorDatabaseDocument(
        chunking=spec.chunking,
        dataset=of.dataset,
        dataset_version=of.manifest.version,
        source_name=called,
    )
    return Prepared(plan=split, exports={_ROWS: part_keys(version)}), document


def _columns(spec: BuildSpec, version: Resource) -> tuple[str, str | None]:
    """The column with the text, and the one with the document's name."""
    manifest = version_document(version).manifest
    if manifest.bytes > ROWS_BYTES_MAX:
        raise _invalid("dataset", f"has more than {ROWS_BYTES_MAX} bytes")
    if not manifest.rows:
        raise _invalid("dataset", "has no rows: there is nothing to search in")
    texts = [column.name for column in manifest.columns if column.type == "string"]
    name_column = _NAME_COLUMN if _NAME_COLUMN in texts else None
    text_column = spec.text_column
    if text_column is None:
        others = [name for name in texts if name != name_column]
        text_column = _TEXT_COLUMN if _TEXT_COLUMN in others else next(iter(others), None)
    if text_column is None or text_column not in texts:
        known = ", ".join(texts[:20]) or "none"
        raise _invalid("text_column", f"names a column of texts; the dataset has: {known[:1000]}")
    return text_column, name_column


async def _reserve(
    spec: BuildSpec, document: VectorDatabaseDocument, catalog: Catalog
) -> tuple[CatalogWrite | None, str, VectorDatabaseDocument]:
    """The write that reserves the vector database, its id and its document."""
    if catalog.operation_id is not None:
        owned = await catalog.find(model.VECTOR_DATABASE, operation_id=catalog.operation_id)
        if not owned:
            raise Conflict("the vector database is no more")
        return None, owned[0].id, model.document_of(owned[0])
    id = ids.make_id(system_clock(), ids.random_bits())
    parent = None if spec.parent is None else await find_any(catalog, spec.parent)
    if parent is None:
        name = model.check_name(spec.name or "")
        family, version = id, 1
    else:
        name = model.check_name(spec.name or parent.document.name)
        family = parent.document.family
        built = await catalog.find(model.VECTOR_DATABASE, family=family)
        version = 1 + max(model.document_of(one).version for one in built)
    document = msgspec.structs.replace(
        document,
        name=name,
        family=family,
        version=version,
        parent=None if parent is None else parent.id,
    )
    return model.reserve(id, document), id, document


def _invalid(field: str, message: str) -> InvalidSpec:
    return InvalidSpec(f"{field}: {message}", field_errors={field: message})


async def run(plan: BuildPlan, context: Context) -> Finish:
    """Cut documents into chunks, embed them, and publish what can be searched."""
    # Only the child has Arrow and the client, so that the server stays small.
    from outlast.kinds.vector.building import Build  # noqa: PLC0415

    return await Build(plan, context).run()


kinds: Final = [
    Kind(
        "build_vector_database",
        spec=BuildSpec,
        result=BuildResult,
        plan=BuildPlan,
        prepare=prepare,
        run=run,
        secrets=("backend_key",),
        cancel_grace_seconds=10,
        # After a crash it goes on at once; a backend that is broken has more than an hour.
        retry=RetryPolicy(attempts_max=10, factor=3, delay_seconds_max=1800),
        description="Cut documents into chunks, embed them, and publish what can be searched.",
    )
]
