"""The texts in files: plain text, Markdown, HTML, PDF, and archives of these. For a locked child.

Of an archive, members that are none of these are skipped; archives in it are too.
"""

# What the names in archives are written in, and a locked child could not import any more.
import encodings.cp437  # noqa: F401
import zipfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import IO, Final

import msgspec
import pypdf

from outlast.operations.errors import Fatal

DOCUMENT_BYTES_MAX: Final = 64 * 1024 * 1024
UNPACKED_BYTES_MAX: Final = 512 * 1024 * 1024
MEMBERS_MAX: Final = 10_000
PAGES_MAX: Final = 10_000
_ARCHIVE: Final = ".zip"
_ENCRYPTED: Final = 0x1
_UNSEEN: Final = frozenset({"script", "style", "template", "noscript"})
_BLOCKS: Final = frozenset(
    {
        *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "footer"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p"),
        *("pre", "section", "table", "td", "th", "title", "tr", "ul"),
    }
)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A text of a document; of a page, where it has pages."""

    document: str
    text: str
    page: int | None = None


class Extractor:
    """Reads files; `skipped` counts the members of archives that are no documents."""

    def __init__(self) -> None:
        self.skipped = 0
        self._unpacked_bytes_left = UNPACKED_BYTES_MAX

    def read(self, path: Path, name: str) -> Iterator[Page]:
        """The texts of a file that is called so. Raises Fatal, saying what is wrong with it."""
        if _suffix(name) == _ARCHIVE:
            yield from self._read_archive(path)
            return
        reader = _READERS.get(_suffix(name))
        if reader is None:
            known = ", ".join(sorted([*_READERS, _ARCHIVE]))
            raise _invalid(name, f"is not a file that can be read: its name must end with {known}")
        with path.open("rb") as file:
            yield from reader(_bounded(file, DOCUMENT_BYTES_MAX, name), name)

    def _read_archive(self, path: Path) -> Iterator[Page]:
        try:
            with zipfile.ZipFile(path) as archive:
                members = [one for one in archive.infolist() if not one.is_dir()]
                if len(members) > MEMBERS_MAX:
                    message = f"the archive has more than {MEMBERS_MAX} files"
                    raise Fatal("result_too_large", message)
                for member in members:
                    reader = _READERS.get(_suffix(member.filename))
                    if reader is None or member.flag_bits & _ENCRYPTED:
                        self.skipped += 1
                        continue
                    with archive.open(member) as file:
                        content = self._unpacked(file, member.filename)
                    yield from reader(content, member.filename)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
            raise Fatal("invalid_file", f"the archive cannot be read: {error}") from error

    def _unpacked(self, file: IO[bytes], name: str) -> bytes:
        # What an archive says of its sizes is not believed: bytes are counted as they come.
        content = _bounded(file, min(DOCUMENT_BYTES_MAX, self._unpacked_bytes_left), name)
        self._unpacked_bytes_left -= len(content)
        return content


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _bounded(file: IO[bytes], bytes_max: int, name: str) -> bytes:
    content = file.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise Fatal("result_too_large", f"{name[:200]!r} has more than {bytes_max} bytes of text")
    return content


def _read_text(content: bytes, name: str) -> Iterator[Page]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(name, f"is not UTF-8 text: byte {error.start} does not belong") from error
    yield Page(document=name, text=text)


def _read_html(content: bytes, name: str) -> Iterator[Page]:
    texts = _HtmlTexts()
    texts.feed(content.decode("utf-8-sig", errors="replace"))
    texts.close()
    lines = (" ".join(line.split()) for line in "".join(texts.seen).splitlines())
    yield Page(document=name, text="\n".join(line for line in lines if line))


class _HtmlTexts(HTMLParser):
    """What a reader would see of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self._hidden_in: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        _ = attrs
        if tag in _UNSEEN:
            self._hidden_in.append(tag)
        if tag in _BLOCKS:
            self.seen.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        if self._hidden_in and self._hidden_in[-1] == tag:
            self._hidden_in.pop()
        if tag in _BLOCKS:
            self.seen.append("\n")

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        if not self._hidden_in:
            self.seen.append(data)


def _read_pdf(content: bytes, name: str) -> Iterator[Page]:
    try:
        for number, page in enumerate(pypdf.PdfReader(BytesIO(content)).pages, 1):
            _check_page(number, name)
            yield Page(document=name, text=page.extract_text(), page=number)
    except (Fatal, MemoryError):
        raise
    except Exception as error:
        # Its parser stumbles over garbage in any way there is.
        reason = str(error).split("\n", 1)[0][:200] or type(error).__name__
        raise _invalid(name, f"is a PDF that cannot be read: {reason}") from error


def _check_page(number: int, name: str) -> None:
    if number > PAGES_MAX:
        raise Fatal("result_too_large", f"{name[:200]!r} has more than {PAGES_MAX} pages")


def _invalid(name: str, what: str) -> Fatal:
    return Fatal("invalid_file", f"{name[:200]!r} {what}")


_READERS: Final[dict[str, Callable[[bytes, str], Iterator[Page]]]] = {
    ".txt": _read_text,
    ".md": _read_text,
    ".markdown": _read_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".pdf": _read_pdf,
}
