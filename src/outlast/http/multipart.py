"""Forms with a file (multipart/form-data, RFC 7578), read as they arrive.

The fields of a form are short and kept; its one file is passed on piece by piece, whatever its
size. Fields may stand before the file or behind it.
"""

from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from outlast.http.errors import UnsupportedMediaType
from outlast.http.parsing import check_encoding, upload_chunks
from outlast.http.routing import Call
from outlast.operations.errors import Invalid, TooLarge

MULTIPART: Final = "multipart/form-data"
PARTS_MAX: Final = 100
FIELD_BYTES_MAX: Final = 64 * 1024
NAME_CHARS_MAX: Final = 200
HEADERS_MAX: Final = 16
HEADER_BYTES_MAX: Final = 4 * 1024
FRAME_BYTES_MAX: Final = PARTS_MAX * FIELD_BYTES_MAX
"""How much larger a form may be than its file."""

_EMPTY: Final = b""
# What browsers and HTTP clients escape in the names of files, and nothing else.
_ESCAPES: Final = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))


class FormFile(msgspec.Struct, frozen=True):
    """The file of a form: the name of its field, and its own, without folders."""

    field: str
    name: str


class Form:
    """One form on its way in. Raises Invalid, TooLarge, UnsupportedMediaType and RequestTimeout.

    First `open_file`, then `file_chunks` to the end; then `fields` has every field.
    """

    def __init__(self, call: Call, file_bytes_max: int, seconds_max: float) -> None:
        self.fields: dict[str, str] = {}
        self.file: FormFile | None = None
        self._pieces = upload_chunks(call, file_bytes_max + FRAME_BYTES_MAX, seconds_max)
        self._parser = self._make_parser(call)
        self._waiting: deque[bytes] = deque()
        self._parts = 0
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._field: str | None = None
        self._value = bytearray()
        self._is_complete = False

    async def open_file(self) -> FormFile:
        """The file, as soon as it begins; the fields before it are there then."""
        while self.file is None and await self._advance():
            pass
        if self.file is None:
            raise Invalid("the form has no file", field_errors={"file": "is missing"})
        return self.file

    async def file_chunks(self) -> AsyncIterator[bytes]:
        """The file's bytes, and then the rest of the form."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if not await self._advance():
                return

    async def _advance(self) -> bool:
        """Read a piece of the body; False at its end."""
        piece = await anext(self._pieces, _EMPTY)
        if piece:
            try:
                self._parser.write(piece)
            except FormParserError as error:
                raise Invalid(f"the form is malformed: {error}") from error
        elif not self._is_complete:
            raise Invalid("the form breaks off before its end")
        return bool(piece)

    def _make_parser(self, call: Call) -> MultipartParser:
        check_encoding(call)
        media, options = parse_options_header(call.header(b"content-type"))
        boundary = options.get(b"boundary", b"")
        if media != MULTIPART.encode() or not boundary:
            raise UnsupportedMediaType(f"send the file as {MULTIPART}, with a boundary")
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._part_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
                max_header_count=HEADERS_MAX,
                max_header_size=HEADER_BYTES_MAX,
            )
        except FormParserError as error:
            raise Invalid(f"the form is malformed: {error}") from error

    def _begin_part(self) -> None:
        """A part begins: its headers come next."""
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise TooLarge(f"a form has at most {PARTS_MAX} parts")
        self._disposition, self._field = b"", None
        self._value.clear()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's name."""
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's value."""
        self._header[1].extend(data[start:end])

    def _end_header(self) -> None:
        """A header is complete."""
        name, value = map(bytes, self._header)
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = (bytearray(), bytearray())

    def _end_headers(self) -> None:
        """All headers of a part are there: it is a field, or the file."""
        kind, options = parse_options_header(self._disposition)
        name = _text(options.get(b"name", b""))
        if kind != b"form-data" or not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable():
            raise Invalid("a part of the form has no name")
        if b"filename" in options:
            if self.file is not None:
                raise Invalid("the form has more than one file", field_errors={name: "repeated"})
            self.file = FormFile(field=name, name=_file_name(options[b"filename"]))
        elif name in self.fields:
            raise Invalid(f"{name} is given more than once", field_errors={name: "repeated"})
        else:
            self._field = name

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        """A piece of a part."""
        if self._field is None:
            self._waiting.append(data[start:end])
            return
        self._value.extend(data[start:end])
        if len(self._value) > FIELD_BYTES_MAX:
            raise TooLarge(f"a field of a form has at most {FIELD_BYTES_MAX} bytes: {self._field}")

    def _end_part(self) -> None:
        """A part is complete."""
        if self._field is not None:
            self.fields[self._field] = _text(bytes(self._value), self._field)

    def _end(self) -> None:
        """The form is complete."""
        self._is_complete = True


def _text(value: bytes, field: str | None = None) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise Invalid(
            "the form is not in UTF-8", field_errors={field: "not UTF-8"} if field else None
        ) from error
    if "\0" in text:
        raise Invalid("the form has a NUL character in a field")
    return text


def _file_name(value: bytes) -> str:
    name = _text(value)
    for escaped, plain in _ESCAPES:
        name = name.replace(escaped, plain)
    # Some clients send the path that the file had with them.
    return name.replace("\\", "/").rpartition("/")[2]
