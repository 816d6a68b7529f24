"""Runs batches here, against the double, with the catalog and the files that they need."""

import json
from collections import Counter

import msgspec

from outlast.inference.models import BackendDocument
from outlast.kinds import batch_inference
from outlast.kinds.batch.record import Checkpoint, chunk_names
from outlast.operations.kind import Resource
from outlast.resources.datasets.model import (
    DATASET,
    VERSION,
    Column,
    DatasetDocument,
    Manifest,
    Part,
    VersionDocument,
    version_ref,
)
from outlast.resources.files.model import FILE, FileDocument, FilePart
from outlast.testing.running import run_kind

[KIND] = batch_inference.kinds
FILE_ID = "0" * 19 + "F"
CHAT = "/v1/chat/completions"


def resource(type, id, document, name=None):
    return Resource(
        tenant="default",
        type=type,
        id=id,
        name=id if name is None else name,
        document=msgspec.json.encode(document),
        revision=1,
        created_at=1,
        updated_at=1,
    )


def backend(url="http://127.0.0.1:1/v1", name="near", **fields):
    document = BackendDocument(url=url, **({"models": ("double", "other")} | fields))
    return resource("backend", name, document)


def file(parts=1):
    document = FileDocument(
        name="in.jsonl",
        purpose="batch",
        created_by="ann",
        parts=tuple(FilePart(key=f"part-{n}", bytes=1) for n in range(parts)),
    )
    return resource(FILE, FILE_ID, document)


def dataset(columns, name="chats"):
    parts = (Part(sha256="0" * 64, bytes=1, rows=1),)
    manifest = Manifest(columns=tuple(Column(*one) for one in columns), parts=parts, rows=1)
    ref = version_ref(name, manifest.version)
    return [
        resource(DATASET, name, DatasetDocument(created_by="x", current_version=manifest.version)),
        resource(
            VERSION,
            f"{name}.1",
            VersionDocument(dataset=name, manifest=manifest, created_by="x"),
            name=ref,
        ),
    ]


def request(number, text=None, **more):
    """A line of a batch file."""
    body = {"model": "double", "messages": [{"role": "user", "content": text or f"hi {number}"}]}
    line = {"custom_id": f"c{number}", "method": "POST", "url": CHAT, "body": body} | more
    return json.dumps(line)


def write_lines(folder, lines, parts=1):
    """The lines as the staged parts of a file; the parts are cut anywhere."""
    content = "".join(line + "\n" for line in lines).encode()
    size = len(content) // parts + 1
    paths = {}
    for number in range(parts):
        path = folder / f"part-{number}"
        path.write_bytes(content[number * size : (number + 1) * size])
        paths[f"rows-{number:05}.jsonl"] = path
    return paths


def run_file(folder, lines, url, *, parts=1, backend_fields=None, **options):
    """Run a batch of a file with these lines."""
    spec = {"model": "double", "file": FILE_ID} | options.pop("spec", {})
    return run_kind(
        KIND,
        spec,
        catalog=[backend(url, **(backend_fields or {})), file(parts)],
        inputs=write_lines(folder, lines, parts),
        **options,
    )


def content(result, name):
    """The text of the output or the errors that the last checkpoint of a run counts."""
    checkpoint = msgspec.convert(result.checkpoints[-1], Checkpoint)
    chunks = [result.files[chunk] for chunk in chunk_names(checkpoint, name)]
    return b"".join(chunks).decode()


def stream(result, name):
    """The lines of it, decoded."""
    return [json.loads(line) for line in content(result, name).split("\n")[:-1]]


def ids(lines):
    return Counter(line["custom_id"] for line in lines)
