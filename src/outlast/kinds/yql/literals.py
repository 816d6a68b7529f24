"""What a YQL literal means, as DuckDB text."""

import re
from collections.abc import Callable

from outlast.kinds.yql import limits
from outlast.kinds.yql.duckdb_text import quote_text

_NUMBER = re.compile(
    r"(?P<digits>0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|[0-9]+)(?P<suffix>[a-zA-Z]*)"
)
_FLOAT = re.compile(r"(?P<digits>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)(?P<suffix>[a-zA-Z]*)")
_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|.)", re.DOTALL
)
_SIMPLE = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13} | {
    mark: ord(mark) for mark in "\\'\"?`"
}
# YQL: no suffix means Int32, or Int64 where that is too small; DuckDB's own literals do the same.
_INTEGERS = {
    "": ("", -(2**63), 2**63 - 1),
    "l": ("BIGINT", -(2**63), 2**63 - 1),
    "s": ("SMALLINT", -(2**15), 2**15 - 1),
    "t": ("TINYINT", -(2**7), 2**7 - 1),
    "u": ("UINTEGER", 0, 2**32 - 1),
    "ul": ("UBIGINT", 0, 2**64 - 1),
    "us": ("USMALLINT", 0, 2**16 - 1),
    "ut": ("UTINYINT", 0, 2**8 - 1),
}
_BYTE_MAX = 255
_BASES = {"0x": 16, "0o": 8, "0b": 2}

RefuseLiteral = Callable[[str, str], Exception]


def read_number(text: str, refuse: RefuseLiteral) -> str:
    """A number with its YQL suffix; a plain float is a Double, not DuckDB's DECIMAL."""
    if len(text) > limits.NUMBER_CHARACTERS_MAX:
        raise refuse("number literal", f"is longer than {limits.NUMBER_CHARACTERS_MAX} characters")
    if (match := _NUMBER.fullmatch(text)) is not None:
        return _integer(match["digits"].lower(), match["suffix"].lower(), refuse)
    match = _FLOAT.fullmatch(text)
    if match is None or match["suffix"].lower() not in {"", "f"}:
        raise refuse(f"number literal {text}", "has a suffix or a form that YQL does not know")
    value = repr(float(match["digits"]))
    if value == "inf":
        raise refuse("number literal", "is larger than a Double")
    double = value if "e" in value else f"{value}e0"
    return f"CAST({double} AS FLOAT)" if match["suffix"] else double


def _integer(digits: str, suffix: str, refuse: RefuseLiteral) -> str:
    if suffix == "f":
        return f"CAST({digits}e0 AS FLOAT)"
    if suffix not in _INTEGERS:
        raise refuse(f"number suffix {suffix!r}", "is not one of l, s, t, u, ul, us, ut, f")
    value = int(digits, _BASES.get(digits[:2], 10)) if digits[:2] in _BASES else int(digits)
    duckdb_type, lowest, highest = _INTEGERS[suffix]
    if not lowest <= value <= highest:
        raise refuse(f"number literal {digits}", "does not fit its type")
    return f"CAST({value} AS {duckdb_type})" if duckdb_type else str(value)


def read_string(body: str, suffix: str, refuse: RefuseLiteral) -> str:
    """A string with C escapes; both String and Utf8 are DuckDB's VARCHAR, so it must be UTF-8."""
    _check_string(body, suffix, refuse)
    content = bytearray()
    position = 0
    for match in _ESCAPE.finditer(body):
        content += body[position : match.start()].encode()
        content += _unescape(match.group()[1:], refuse)
        position = match.end()
    content += body[position:].encode()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise refuse("string literal", "is not UTF-8: bytes are not in the subset") from None
    return _quoted(text, refuse)


def read_raw_string(body: str, suffix: str, refuse: RefuseLiteral) -> str:
    """What stands between @@ and @@: no escapes but @@@@, which means @@."""
    _check_string(body, suffix, refuse)
    return _quoted(body.replace("@@@@", "@@"), refuse)


def _check_string(body: str, suffix: str, refuse: RefuseLiteral) -> None:
    if suffix.lower() not in {"", "s", "u"}:
        raise refuse(f"string suffix {suffix!r}", "is not supported: only s and u are")
    if len(body) > limits.STRING_BYTES_MAX:
        raise refuse("string literal", f"is longer than {limits.STRING_BYTES_MAX} bytes")


def _quoted(text: str, refuse: RefuseLiteral) -> str:
    if "\0" in text:
        raise refuse("string literal", "holds a NUL byte")
    return quote_text(text)


def _unescape(escape: str, refuse: RefuseLiteral) -> bytes:
    if escape in _SIMPLE:
        return bytes([_SIMPLE[escape]])
    if escape[0] in "01234567" and int(escape, 8) <= _BYTE_MAX:
        return bytes([int(escape, 8)])
    if escape[0] == "x" and len(escape) > 1:
        return bytes([int(escape[1:], 16)])
    if escape[0] in "uU" and len(escape) > 1:
        try:
            return chr(int(escape[1:], 16)).encode()
        except (ValueError, OverflowError):
            raise refuse("string literal", "names a character that does not exist") from None
    raise refuse(f"escape \\{escape}", "is not one that YQL defines")
