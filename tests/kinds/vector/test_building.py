"""Vector databases are built of datasets and files, by real attempts and locked children."""

import io
import zipfile

import msgspec
import pytest
from lake import ANN, BEN
from vectors import MODEL, keep_file, keep_rows

from outlast.engine import Principal, Role
from outlast.executors.calls import Sandbox
from outlast.operations.errors import (
    Conflict,
    Forbidden,
    InvalidSpec,
    NotFound,
    ResourceExists,
)

ANIMALS = [
    {"document": "The owl hunts at night.", "document_file_path": "birds.txt", "legs": 2},
    {"document": "A spider spins a web.", "document_file_path": "spiders.txt", "legs": 8},
    {"document": "The cat hunts mice by night.", "document_file_path": "cats.txt", "legs": 4},
]


async def build(lake, principal=ANN, **spec):
    return await lake.result(
        "build_vector_database", principal, embedding_model=MODEL, **{"name": "animals"} | spec
    )


async def found(lake, ref, text, **options):
    return [hit.document for hit in await lake.vectors.search(ANN, ref, text, **options)]


async def test_the_rows_of_a_dataset_can_be_searched_and_filtered(lake):
    await lake.work()
    await keep_rows(lake, "zoo", ANIMALS, ANN)
    result = await build(lake, dataset="zoo", use_case="u1")
    assert (result["documents"], result["chunks"], result["dimensions"]) == (3, 3, 96)
    assert await found(lake, "animals", "who hunts by night", limit=2) == ["cats.txt", "birds.txt"]
    assert await found(lake, "animals", "night", filters={"legs": [2, 8]}) == [
        "birds.txt",
        "spiders.txt",
    ]
    assert await found(lake, "animals", "x", filters={"document": "cats.txt"}) == ["cats.txt"]
    assert await found(lake, "animals", "night", filters={"legs": 3}) == []
    assert await found(lake, "animals", "the owl hunts at night", score_min=0.99) == ["birds.txt"]
    [hit] = await lake.vectors.search(ANN, result["vector_database"], "a web", limit=1)
    assert (hit.text, hit.metadata) == ("A spider spins a web.", {"legs": 8})
    one = await lake.vectors.get(ANN, "animals")
    assert (one.status, one.version, one.chunks, one.source_name) == ("ready", 1, 3, "zoo")
    assert await lake.vectors.find(ANN, use_case="u1") == [one]
    assert await lake.vectors.find(ANN, use_case="u2") == []


async def test_an_archive_of_documents_is_read_and_what_is_no_document_is_skipped(lake):
    await lake.work()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/owls.md", "# Owls\n\nAn owl is a bird of prey.")
        archive.writestr(
            "b.html", "<title>Cats</title><script>spider()</script><p>The cat &amp; mouse</p>"
        )
        archive.writestr("c.pdf", a_pdf("Spiders have eight legs"))
        archive.writestr("d.png", b"\x89PNG")
        archive.writestr("inner.zip", packed.getvalue())
    file = await keep_file(lake, "all.zip", packed.getvalue(), ANN)
    result = await build(lake, file=file)
    assert (result["documents"], result["skipped"]) == (3, 2)
    assert await found(lake, "animals", "bird of prey", limit=1) == ["a/owls.md"]
    [hit] = await lake.vectors.search(ANN, "animals", "eight legs", limit=1)
    assert (hit.document, hit.page, hit.text) == ("c.pdf", 1, "Spiders have eight legs")
    [hit] = await lake.vectors.search(ANN, "animals", "cat", limit=1)
    assert hit.text == "Cats\nThe cat & mouse"


def a_pdf(text):
    """The smallest PDF that says something."""
    content = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    pdf, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(pdf)
    pdf += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % p for p in places)
    return pdf + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % start


async def test_files_that_are_no_documents_fail_with_a_reason_and_leave_nothing(lake):
    await lake.work()
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", b"\0" * (65 * 1024 * 1024))
    bad = {
        "bomb.zip": (bomb.getvalue(), "result_too_large"),
        "no.zip": (b"PK not really", "invalid_file"),
        "garbage.pdf": (b"%PDF-1.7\n" + bytes(range(256)) * 40, "invalid_file"),
        "latin.txt": ("Käse".encode("latin-1"), "invalid_file"),
        "empty.txt": (b" \n ", "no_documents"),
        "what.xyz": (b"text", "invalid_file"),
    }
    for name, (content, code) in bad.items():
        file = await keep_file(lake, name, content, ANN)
        failure = await lake.failure(
            "build_vector_database", name=name, file=file, embedding_model=MODEL
        )
        assert failure.code == code, (name, failure)
        assert (await lake.vectors.get(ANN, name)).status == "failed"
        with pytest.raises(Conflict, match="failed"):
            await lake.vectors.search(ANN, name, "text")
        await lake.vectors.delete(ANN, name)
    assert not list(lake.foundation.folder.objects.rglob("vector-databases/**/*.arrow"))


async def test_what_cannot_be_built_is_refused_at_once(lake):
    await keep_rows(lake, "zoo", ANIMALS, ANN)
    await keep_rows(lake, "numbers", [{"a": 1}], ANN)
    refused = [
        ({}, InvalidSpec, "either a dataset or a file"),
        ({"dataset": "zoo", "file": "x"}, InvalidSpec, "either"),
        ({"dataset": "numbers"}, InvalidSpec, "column of texts"),
        ({"dataset": "zoo", "text_column": "legs"}, InvalidSpec, "document, document_file_path"),
        ({"dataset": "none"}, NotFound, "none"),
        ({"dataset": "zoo", "embedding_model": "other"}, NotFound, "known are words"),
        ({"dataset": "zoo", "embedding_model": None}, InvalidSpec, "extra `vector`"),
        ({"dataset": "zoo", "name": ""}, InvalidSpec, "printable"),
        ({"dataset": "zoo", "parent": "nobody"}, NotFound, "nobody"),
        (
            {"dataset": "zoo", "chunking": {"separators": ["("], "is_separator_regex": True}},
            InvalidSpec,
            "no pattern",
        ),
    ]
    for spec, error, words in refused:
        with pytest.raises(error, match=words):
            await lake.submit(
                "build_vector_database", **{"name": "x", "embedding_model": MODEL} | spec
            )
    assert await lake.vectors.find(ANN) == []


async def test_the_next_version_has_the_name_of_its_parent_and_is_found_by_it(lake):
    await lake.work()
    await keep_rows(lake, "zoo", ANIMALS, ANN)
    first = await build(lake, dataset="zoo")
    second = await build(
        lake, dataset="zoo", name=None, parent="animals", chunking={"chunk_size": 50}
    )
    assert (second["name"], second["version"]) == ("animals", 2)
    newest = await lake.vectors.get(ANN, "animals")
    assert (newest.id, newest.parent) == (second["vector_database"], first["vector_database"])
    family = await lake.vectors.find(ANN, family=newest.family)
    assert [one.version for one in family] == [2, 1]
    await lake.vectors.delete(ANN, newest.id)
    assert (await lake.vectors.get(ANN, "animals")).version == 1


async def test_two_that_want_to_be_the_same_version_are_told_apart(lake):
    await keep_rows(lake, "zoo", ANIMALS, ANN)
    await lake.work()
    await build(lake, dataset="zoo")
    specs = [{"parent": "animals", "dataset": "zoo", "embedding_model": MODEL}] * 4
    made = await lake.submit_many("build_vector_database", specs)
    refused = [one for one in made if isinstance(one, ResourceExists)]
    versions = [one.version for one in await lake.vectors.find(ANN)]
    assert len(versions) == len(set(versions)) == 5 - len(refused)


async def test_others_do_not_delete_it_and_nobody_while_it_is_built(lake, embedder):
    await keep_rows(lake, "zoo", ANIMALS, ANN)
    building = await lake.submit(
        "build_vector_database", name="animals", dataset="zoo", embedding_model=MODEL
    )
    one = await lake.vectors.get(ANN, "animals")
    assert (one.status, one.operation_id) == ("building", building.id)
    with pytest.raises(Conflict, match=building.id):
        await lake.vectors.delete(ANN, "animals")
    with pytest.raises(Conflict, match="building"):
        await lake.vectors.search(ANN, "animals", "text")
    await lake.work()
    assert (await lake.ended(building)).state == "succeeded"
    with pytest.raises(Forbidden):
        await lake.vectors.delete(BEN, "animals")
    stranger = Principal(tenant="another", member="ann", role=Role.ADMIN)
    for call in (lake.vectors.get, lake.vectors.delete):
        with pytest.raises(NotFound):
            await call(stranger, one.id)
    assert await lake.vectors.find(stranger) == []
    viewer = Principal(tenant=ANN.tenant, member="vic", role=Role.VIEWER)
    assert (await lake.vectors.get(viewer, "animals")).status == "ready"
    with pytest.raises(Forbidden):
        await lake.vectors.search(viewer, "animals", "owl")
    await lake.vectors.delete(ANN, "animals")
    with pytest.raises(NotFound):
        await lake.vectors.get(ANN, "animals")
    assert not list(lake.foundation.folder.objects.rglob("vector-databases/**/*.arrow"))


async def test_the_chunks_become_a_dataset(lake):
    await lake.work()
    await keep_rows(lake, "zoo", ANIMALS, ANN)
    await build(lake, dataset="zoo")
    result = await lake.result("export_vector_database", vector_database="animals")
    assert result["rows"] == 3
    datasets = lake.foundation.datasets(Sandbox(lake.foundation.launcher))
    page = await datasets.rows(ANN, result["dataset"], None, 0, 10)
    rows = msgspec.json.decode(page.rows)
    assert [row["document"] for row in rows] == [row["document_file_path"] for row in ANIMALS]
    assert len(rows[0]["vector"]) == 96
