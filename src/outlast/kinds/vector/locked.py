"""Cuts documents into chunks. Runs in a locked child: documents and separators may be hostile."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from outlast.kinds.vector.extracting import Extractor, Page
from outlast.kinds.vector.plan import CHUNKS, Chunk, Split, SplitArguments
from outlast.kinds.vector.splitting import split_text
from outlast.operations.errors import Fatal
from outlast.resources.vector_databases.model import CHUNKS_MAX

_METADATA_CHARS_MAX: Final = 2000
_WHOLE: Final = "whole-document"
_encoder = msgspec.json.Encoder()


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    page: Page
    metadata: dict[str, Any] = {}


def split(arguments: bytes, workdir: Path) -> Any:
    """Write the chunks of the documents to CHUNKS; answers Split. Raises Fatal."""
    call = msgspec.json.decode(arguments, type=SplitArguments)
    extractor = Extractor()
    documents: set[str] = set()
    chunks = 0
    with (workdir / CHUNKS).open("wb") as target:
        for document in _documents(call, workdir, extractor):
            page = document.page
            for text in split_text(page.text, call.chunking):
                chunks += 1
                if chunks > CHUNKS_MAX:
                    message = f"the documents have more than {CHUNKS_MAX} chunks"
                    raise Fatal("result_too_large", message)
                documents.add(page.document)
                chunk = Chunk(
                    document=page.document, text=text, page=page.page, metadata=document.metadata
                )
                target.write(_encoder.encode(chunk) + b"\n")
    if not chunks:
        raise Fatal("no_documents", "there is no text in what was given")
    return msgspec.to_builtins(
        Split(documents=len(documents), chunks=chunks, skipped=extractor.skipped)
    )


def _documents(call: SplitArguments, workdir: Path, extractor: Extractor) -> Iterator[_Document]:
    if call.input == "rows":
        for name in call.files:
            yield from _rows(call, workdir / name)
        return
    with _joined(workdir, call.files) as path:
        for page in extractor.read(path, call.name):
            yield _Document(page=page)


def _rows(call: SplitArguments, path: Path) -> Iterator[_Document]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            row = msgspec.json.decode(line, type=dict[str, Any])
            text = row.pop(call.text_column, None)
            if not isinstance(text, str):
                continue
            named = row.pop(call.name_column, None) if call.name_column else None
            document = str(named) if named is not None else f"{call.name}, row {number}"
            page = row.pop("page", None)
            yield _Document(
                page=Page(
                    document=document[:_METADATA_CHARS_MAX],
                    text=text,
                    page=page if type(page) is int else None,
                ),
                metadata={key: value for key, value in row.items() if _is_metadata(value)},
            )


def _is_metadata(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _METADATA_CHARS_MAX
    return isinstance(value, bool | int | float)


@contextlib.contextmanager
def _joined(workdir: Path, files: tuple[str, ...]) -> Iterator[Path]:
    """The parts of a file as one."""
    if len(files) == 1:
        yield workdir / files[0]
        return
    whole = workdir / _WHOLE
    with whole.open("wb") as target:
        for name in files:
            with (workdir / name).open("rb") as source:
                shutil.copyfileobj(source, target)
    yield whole
    whole.unlink()
