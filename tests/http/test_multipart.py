import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.http.errors import UnsupportedMediaType
from outlast.http.multipart import FIELD_BYTES_MAX, FRAME_BYTES_MAX, Form
from outlast.http.routing import Call
from outlast.operations.errors import Invalid, TooLarge

BOUNDARY = "frontier"


def part(name, content, filename=None, *, headers=()):
    disposition = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    lines = [f"--{BOUNDARY}", disposition, *headers, ""]
    return "\r\n".join(lines).encode() + b"\r\n" + content + b"\r\n"


def body_of(*parts):
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def form_of(pieces, *, content_type=f"multipart/form-data; boundary={BOUNDARY}", file_bytes=1000):
    left = list(pieces)

    async def receive():
        piece = left.pop(0) if left else b""
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    headers = {b"content-type": content_type.encode()} if content_type else {}
    call = Call(
        receive=receive,
        client="",
        root="",
        origin=lambda: "http://outlast",
        path="/",
        request_id="r",
        headers=headers,
        params={},
        query={},
        principal_or_none=None,
    )
    return Form(call, file_bytes, 1)


async def read(form):
    file = await form.open_file()
    return file, b"".join([chunk async for chunk in form.file_chunks()]), form.fields


WHOLE = body_of(
    part("purpose", b"batch"),
    part(
        "file", b"one\r\n--two\r\n--front\r\n", "rows.jsonl", headers=["Content-Type: text/plain"]
    ),
    part("expires_after[seconds]", "drei\u00df".encode()),
)


@given(st.lists(st.integers(1, len(WHOLE) - 1), unique=True, max_size=12))
async def test_a_form_is_read_however_it_is_cut(cuts):
    edges = [0, *sorted(cuts), len(WHOLE)]
    pieces = [WHOLE[start:end] for start, end in itertools.pairwise(edges)]
    file, content, fields = await read(form_of(pieces))
    assert (file.field, file.name) == ("file", "rows.jsonl")
    assert content == b"one\r\n--two\r\n--front\r\n"
    assert fields == {"purpose": "batch", "expires_after[seconds]": "drei\u00df"}


async def test_a_file_passes_by_without_being_kept():
    async def endless():
        yield body_of(part("file", b"", "a")).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        for _ in range(100):
            yield b"x" * 65536
        yield f"\r\n--{BOUNDARY}--\r\n".encode()

    pieces = [piece async for piece in endless()]
    form = form_of(pieces, file_bytes=10_000_000)
    await form.open_file()
    waiting = 0
    size = 0
    async for chunk in form.file_chunks():
        size += len(chunk)
        waiting = max(waiting, len(form._waiting))
    assert size == 100 * 65536
    assert waiting <= 2


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("a.jsonl", "a.jsonl"),
        ("", ""),
        ("/etc/passwd", "passwd"),
        ("C:\\\\rows\\\\a.csv", "a.csv"),
        ("caf\u00e9 %22x%22.txt", 'caf\u00e9 "x".txt'),
        ('quoted \\"x\\".txt', 'quoted "x".txt'),
        ("100%.txt", "100%.txt"),
    ],
)
async def test_the_name_of_a_file_has_no_folders_and_no_escapes(given_name, name):
    form = form_of([body_of(part("file", b"", given_name))])
    assert (await form.open_file()).name == name


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "breaks off"),
        (b"garbage", "malformed"),
        (b"{}", "malformed"),
        (WHOLE[:-20], "breaks off"),
        (WHOLE[:60], "breaks off"),
        (body_of(part("purpose", b"batch")), "no file"),
        (body_of(part("a", b"1"), part("a", b"2"), part("file", b"", "f")), "more than once"),
        (body_of(part("file", b"", "f"), part("file", b"", "g")), "more than one file"),
        (body_of(part("a", b"\xff\xfe"), part("file", b"", "f")), "UTF-8"),
        (body_of(part("a", b"x\0y"), part("file", b"", "f")), "NUL"),
        (body_of(part("", b"x"), part("file", b"", "f")), "no name"),
        (body_of(part("a" * 300, b"x"), part("file", b"", "f")), "no name"),
        (f"--{BOUNDARY}\r\nX: y\r\n\r\nz\r\n--{BOUNDARY}--\r\n".encode(), "no name"),
        (body_of(part("a", b"x", headers=["X: " + "y" * 5000])), "header size"),
        (body_of(part("a", b"x", headers=["X: y"] * 20)), "header count"),
    ],
)
async def test_what_is_not_a_form_with_a_file_is_refused(body, says):
    with pytest.raises(Invalid, match=says):
        await read(form_of([body]))


async def test_every_part_of_a_form_has_a_limit():
    with pytest.raises(TooLarge, match="field of a form"):
        await read(form_of([body_of(part("a", b"x" * (FIELD_BYTES_MAX + 1)))]))
    with pytest.raises(TooLarge, match="parts"):
        await read(form_of([body_of(*(part(f"a{n}", b"") for n in range(101)))]))
    with pytest.raises(TooLarge, match="body is larger"):
        await read(form_of([b"\r\n" * (FRAME_BYTES_MAX // 2 + 1000)]))


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
    ],
)
async def test_another_media_type_is_refused(content_type):
    with pytest.raises(UnsupportedMediaType):
        form_of([b""], content_type=content_type)


async def test_a_boundary_that_is_too_long_is_refused():
    with pytest.raises(Invalid):
        form_of([b""], content_type=f"multipart/form-data; boundary={'x' * 1000}")
